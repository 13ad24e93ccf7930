// D x D matrices in registers.
#pragma once

#include "core/host_device.h"

namespace qs::QS_TARGET {

template <class T, int D>
struct Matrix {
  T m[D][D];
};

// The cofactor matrix: d det(A) / dA, and det(A) times the inverse transposed.
template <class T, int D>
QS_HD Matrix<T, D> cofactor(const Matrix<T, D>& a) {
  if constexpr (D == 2) {
    return {{{a.m[1][1], -a.m[1][0]}, {-a.m[0][1], a.m[0][0]}}};
  } else {
    Matrix<T, D> c;
    unroll<3>([&](auto i) QS_INLINE {
      const int i1 = (i + 1) % 3, i2 = (i + 2) % 3;
      unroll<3>([&](auto j) QS_INLINE {
        const int j1 = (j + 1) % 3, j2 = (j + 2) % 3;
        c.m[i][j] = a.m[i1][j1] * a.m[i2][j2] - a.m[i1][j2] * a.m[i2][j1];
      });
    });
    return c;
  }
}

// det(A), given its cofactors.
template <class T, int D>
QS_HD T determinant(const Matrix<T, D>& a, const Matrix<T, D>& cofactors) {
  T sum = T(0);
  unroll<D>([&](auto j) QS_INLINE { sum += a.m[0][j] * cofactors.m[0][j]; });
  return sum;
}

template <class T, int D>
QS_HD T determinant(const Matrix<T, D>& a) {
  return determinant(a, cofactor(a));
}

template <class T, int D>
QS_HD void multiply(const Matrix<T, D>& a, const T (&x)[D], T (&y)[D]) {
  unroll<D>([&](auto i) QS_INLINE {
    T sum = T(0);
    unroll<D>([&](auto j) QS_INLINE { sum += a.m[i][j] * x[j]; });
    y[i] = sum;
  });
}

template <class T, int D>
QS_HD void multiply_transposed(const Matrix<T, D>& a, const T (&x)[D], T (&y)[D]) {
  unroll<D>([&](auto j) QS_INLINE {
    T sum = T(0);
    unroll<D>([&](auto i) QS_INLINE { sum += a.m[i][j] * x[i]; });
    y[j] = sum;
  });
}

}  // namespace qs::QS_TARGET
