// The D x D symbol of the fluid metric at one frequency k, from c_a(k_a) and s_a(k_a) of each axis:
//
//   L_ab = delta_ab (gamma - alpha sum_d c_d - beta c_a) + (1 - delta_ab) beta s_a s_b,
//
// computed where it is needed, never read as a volume; K by adjugate over determinant, one reciprocal.
#pragma once

#include "core/matrix.h"
#include "ops/fluid_symbol.h"

namespace qs::QS_TARGET {

// 1 / x where x > 0, else 0.
template <class T>
QS_HD T reciprocal(T x) {
  return x > T(0) ? T(1) / x : T(0);
}

template <class T, int D>
struct Gain {
  T alpha, beta, gamma;
  T before[D], after[D];  // of each component
  int power;
  bool inverse;

  QS_HD Matrix<T, D> at(const T (&c)[D], const T (&s)[D]) const {
    T diagonal = gamma;
    unroll<D>([&](auto a) QS_INLINE { diagonal -= alpha * c[a]; });
    Matrix<T, D> l;
    unroll<D>([&](auto a) QS_INLINE {
      unroll<D>([&](auto b) QS_INLINE { l.m[a][b] = a == b ? diagonal - beta * c[a] : beta * s[a] * s[b]; });
    });
    if (!inverse) {
      return l;
    }
    Matrix<T, D> k = cofactor(l);
    const T det = determinant(l, k);
    const T factor = reciprocal(det);  // gamma = 0: K of the zero frequency is 0
    unroll<D>([&](auto a) QS_INLINE { unroll<D>([&](auto b) QS_INLINE { k.m[a][b] *= factor; }); });
    return k;
  }

  // Once: power 1, whose loop would keep the others from vectorising.
  template <bool Once>
  QS_HD void apply(const Matrix<T, D>& m, T (&re)[D], T (&im)[D]) const {
    T next[D];
    unroll<D>([&](auto c) QS_INLINE {
      re[c] *= before[c];
      im[c] *= before[c];
    });
    for (int p = 0; p < (Once ? 1 : power); ++p) {
      multiply(m, re, next);
      copy(next, re);
      multiply(m, im, next);
      copy(next, im);
    }
    unroll<D>([&](auto c) QS_INLINE {
      re[c] *= after[c];
      im[c] *= after[c];
    });
  }

 private:
  static QS_HD void copy(const T (&from)[D], T (&to)[D]) {
    unroll<D>([&](auto c) QS_INLINE { to[c] = from[c]; });
  }
};

// `norm` multiplies the result.
template <class T, int D>
Gain<T, D> gain_of(const FluidSymbol& symbol, double norm) {
  Gain<T, D> gain{static_cast<T>(symbol.alpha),
                  static_cast<T>(symbol.beta),
                  static_cast<T>(symbol.gamma),
                  {},
                  {},
                  symbol.power,
                  symbol.inverse};
  for (int c = 0; c < D; ++c) {
    gain.before[c] = static_cast<T>(symbol.scale[c]);
    gain.after[c] = static_cast<T>(symbol.scale[c] * norm);
  }
  return gain;
}

}  // namespace qs::QS_TARGET
