// Central differences on a grid, one-sided (or, as in PyCA, halved one-sided) on its faces.
#pragma once

#include "core/field.h"
#include "core/matrix.h"
#include "core/view.h"

namespace qs::QS_TARGET {

// (D f)(i) = scale * (f(i + up) - f(i - down)); both steps are 0 along an axis of one sample.
template <class T>
struct Difference {
  int down, up;
  T scale;
  QS_HD T of_identity() const { return down + up == 0 ? T(1) : scale * T(down + up); }
};

template <class T>
QS_HD Difference<T> difference_at(int i, int n, Faces faces) {
  const int down = i > 0 ? 1 : 0, up = i < n - 1 ? 1 : 0;
  return {down, up, (faces == Faces::half) | (down + up == 2) ? T(0.5) : T(1)};
}

// (D psi)_ca = D_a (x_c + u_c).
template <class T, int D>
QS_HD Matrix<T, D> jacobian(const View<const T>& u, const Voxel& v, const Extent& e, Faces faces) {
  Matrix<T, D> j;
  unroll<D>([&](auto a) QS_INLINE {
    const int axis = axis_of<D>(a), stride = e.stride(axis);
    const Difference<T> d = difference_at<T>(v.x[axis], e.n[axis], faces);
    unroll<D>([&](auto c) QS_INLINE {
      const T* values = u.channel(v.batch, c);
      const T difference = values[v.offset + d.up * stride] - values[v.offset - d.down * stride];
      j.m[c][a] = d.scale * difference + (a == c ? d.of_identity() : T(0));
    });
  });
  return j;
}

// The transpose of D along one axis, of a field g: sum over the neighbours whose difference reads sample i.
template <class T>
QS_HD T difference_transposed(const T* g, int offset, int i, int n, int stride, Faces faces) {
  const Difference<T> below = difference_at<T>(i - 1, n, faces), here = difference_at<T>(i, n, faces),
                      above = difference_at<T>(i + 1, n, faces);
  const T from_below = (i > 0 ? below.scale : T(0)) * g[i > 0 ? offset - stride : offset];
  const T from_above = (i < n - 1 ? above.scale : T(0)) * g[i < n - 1 ? offset + stride : offset];
  return from_below - from_above + here.scale * T(here.down - here.up) * g[offset];
}

}  // namespace qs::QS_TARGET
