// Where a displaced voxel lands, and the three things done there: gather, gather the gradient, scatter.
#pragma once

#include "core/row.h"
#include "core/taps.h"
#include "core/view.h"

namespace qs::QS_TARGET {

// Taps along the middle axis, which 2-D fields do not have.
template <int D, int N>
constexpr int middle_taps = D == 3 ? N : 1;

template <class T, int D, int N>
struct Footprint {
  Taps<T, N> axis[D];
  int offset;            // of the first tap inside a volume
  int stride0, stride1;  // of the outer axes (the last axis is contiguous)

  QS_HD T middle(int b) const { return D == 3 ? axis[D == 3 ? 1 : 0].weight[b] : T(1); }
  QS_HD T middle_slope(int b) const { return D == 3 ? axis[D == 3 ? 1 : 0].slope[b] : T(0); }
};

// The footprint of x + u(x) on a grid of the given extent; u by component.
template <Mode M, Padding P, class T, int D>
QS_HD Footprint<T, D, taps_of<M>> footprint(const Voxel& v, const T (&u)[D], const Extent& e) {
  Footprint<T, D, taps_of<M>> f;
  f.stride0 = e.stride(0);
  f.stride1 = e.stride(1);
  f.offset = 0;
  unroll<D>([&](auto c) QS_INLINE {
    const int a = axis_of<D>(c);
    f.axis[c] = taps_at<T, M, P>(T(v.x[a]) + u[c], e.n[a]);
    f.offset += f.axis[c].base * e.stride(a);
  });
  return f;
}

template <class T, int D>
QS_HD void load_vector(const View<const T>& field, const Voxel& v, T (&u)[D]) {
  unroll<D>([&](auto c) QS_INLINE { u[c] = field.at(v, c); });
}

template <class T, int D, int N>
QS_HD T gather(const T* QS_RESTRICT values, const Footprint<T, D, N>& f) {
  Row<T, N> sum{};
  unroll<N>([&](auto a) QS_INLINE {
    unroll<middle_taps<D, N>>([&](auto b) QS_INLINE {
      const auto row = Row<T, N>::load(values + (f.offset + a * f.stride0 + b * f.stride1));
      sum.add(f.axis[0].weight[a] * f.middle(b), row);
    });
  });
  return sum.dot(Row<T, N>::load(f.axis[D - 1].weight));
}

// The interpolant's value, and its derivative by position added to gradient with the given factor.
template <class T, int D, int N>
QS_HD T gather_gradient(const T* QS_RESTRICT values, const Footprint<T, D, N>& f, T (&gradient)[D], T factor) {
  Row<T, N> sum{}, along0{}, along1{};
  unroll<N>([&](auto a) QS_INLINE {
    unroll<middle_taps<D, N>>([&](auto b) QS_INLINE {
      const auto row = Row<T, N>::load(values + (f.offset + a * f.stride0 + b * f.stride1));
      sum.add(f.axis[0].weight[a] * f.middle(b), row);
      along0.add(f.axis[0].slope[a] * f.middle(b), row);
      if constexpr (D == 3) {
        along1.add(f.axis[0].weight[a] * f.middle_slope(b), row);
      }
    });
  });
  const auto weight = Row<T, N>::load(f.axis[D - 1].weight);
  gradient[0] += factor * along0.dot(weight);
  if constexpr (D == 3) {
    gradient[1] += factor * along1.dot(weight);
  }
  gradient[D - 1] += factor * sum.dot(Row<T, N>::load(f.axis[D - 1].slope));
  return sum.dot(weight);
}

// The transpose of gather: adds value, weighted, to the samples of the footprint that this worker owns. The result is
// of type T, or fixed-point for a value of type double.
template <class R, class V, class T, int D, int N, class Slab>
QS_HD void scatter(R* QS_RESTRICT result, const Footprint<T, D, N>& f, V value, const Slab& slab) {
  const auto weight = Row<T, N>::load(f.axis[D - 1].weight);
  unroll<N>([&](auto a) QS_INLINE {
    if (!slab.owns(f.axis[0].base + a)) {
      return;
    }
    unroll<middle_taps<D, N>>([&](auto b) QS_INLINE {
      R* row = result + (f.offset + a * f.stride0 + b * f.stride1);
      slab.add(row, value * f.axis[0].weight[a] * f.middle(b), weight);
    });
  });
}

}  // namespace qs::QS_TARGET
