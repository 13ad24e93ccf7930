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

// The differences at one voxel along every axis.
template <class T, int D>
struct Stencil {
  Difference<T> axis[D];
  int stride[D];
  int offset;

  QS_HD Stencil(const Voxel& v, const Extent& e, Faces faces) : offset(v.offset) {
    unroll<D>([&](auto a) QS_INLINE {
      const int n = axis_of<D>(a);
      axis[a] = difference_at<T>(v.x[n], e.n[n], faces);
      stride[a] = e.stride(n);
    });
  }

  // (D_a f) of the values of one channel.
  QS_HD T of(const T* values, int a) const {
    return axis[a].scale * (values[offset + axis[a].up * stride[a]] - values[offset - axis[a].down * stride[a]]);
  }
};

// (D u)_ca = D_a u_c.
template <class T, int D>
QS_HD Matrix<T, D> derivative(const View<const T>& u, const Voxel& v, const Extent& e, Faces faces) {
  const Stencil<T, D> stencil(v, e, faces);
  Matrix<T, D> j;
  unroll<D>([&](auto c)
                QS_INLINE { unroll<D>([&](auto a) QS_INLINE { j.m[c][a] = stencil.of(u.channel(v.batch, c), a); }); });
  return j;
}

// (D psi)_ca = D_a (x_c + u_c).
template <class T, int D>
QS_HD Matrix<T, D> jacobian(const View<const T>& u, const Voxel& v, const Extent& e, Faces faces) {
  Matrix<T, D> j = derivative<T, D>(u, v, e, faces);
  unroll<D>([&](auto a) QS_INLINE {
    j.m[a][a] += difference_at<T>(v.x[axis_of<D>(a)], e.n[axis_of<D>(a)], faces).of_identity();
  });
  return j;
}

// The transpose of D_a at one voxel, of a field that sample(offset) reads: the sum over the neighbours whose difference
// reads this voxel.
template <class T, int D, class F>
QS_HD T difference_transposed(const F& sample, const Voxel& v, const Extent& e, int a, Faces faces) {
  const int axis = axis_of<D>(a), i = v.x[axis], n = e.n[axis], stride = e.stride(axis);
  const Difference<T> below = difference_at<T>(i - 1, n, faces), here = difference_at<T>(i, n, faces),
                      above = difference_at<T>(i + 1, n, faces);
  const T from_below = (i > 0 ? below.scale : T(0)) * sample(i > 0 ? v.offset - stride : v.offset);
  const T from_above = (i < n - 1 ? above.scale : T(0)) * sample(i < n - 1 ? v.offset + stride : v.offset);
  return from_below - from_above + here.scale * T(here.down - here.up) * sample(v.offset);
}

}  // namespace qs::QS_TARGET
