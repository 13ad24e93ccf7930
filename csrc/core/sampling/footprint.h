// The samples around a displaced voxel, and the three things done with them: gather, gather the gradient, scatter.
#pragma once

#include "core/row.h"
#include "core/sampling/taps.h"
#include "core/view.h"

namespace qs::QS_TARGET {

// Taps along the middle axis, which 2-D fields do not have.
template <int D, int N>
constexpr int middle_taps = D == 3 ? N : 1;

// f(row, a, b): the rows of a footprint along the contiguous axis, at tap a of the first and b of the middle axis.
template <int D, int N, class F>
QS_HD void each_pair_of_taps(F&& f) {
  constexpr int taps = middle_taps<D, N>;
  unroll<N * taps>([&](auto row) QS_INLINE {
    f(row, Constant<decltype(row)::value / taps>{}, Constant<decltype(row)::value % taps>{});
  });
}

// The offsets of a footprint's samples: consecutive, or wherever a periodic image folds them to.
template <int D, int N, bool Periodic>
struct Places {
  int first;             // offset of the first tap inside a volume
  int plane0;            // its plane
  int stride0, stride1;  // of the outer axes (the last axis is contiguous)

  QS_HD int plane(int a) const { return plane0 + a; }
  QS_HD int at(int a, int b, int c) const { return first + a * stride0 + b * stride1 + c; }
  template <class T>
  QS_HD Row<T, N> load(const T* values, int a, int b) const {
    return Row<T, N>::load(values + at(a, b, 0));
  }
  template <class R, class V, class T, class Slab>
  QS_HD void add(R* result, int a, int b, V factor, const Row<T, N>& weight, const Slab& slab) const {
    slab.add(result + at(a, b, 0), factor, weight);
  }
};

template <int D, int N>
struct Places<D, N, true> {
  int sample0[N];    // the planes
  int offset[D][N];  // of each tap along each axis

  QS_HD int plane(int a) const { return sample0[a]; }
  QS_HD int at(int a, int b, int c) const {
    return offset[0][a] + (D == 3 ? offset[D == 3 ? 1 : 0][b] : 0) + offset[D - 1][c];
  }
  template <class T>
  QS_HD Row<T, N> load(const T* values, int a, int b) const {
    Row<T, N> samples{};
    unroll<N>([&](auto k) QS_INLINE { samples.x[static_cast<int>(k)] = values[at(a, b, k)]; });
    return samples;
  }
  template <class R, class V, class T, class Slab>
  QS_HD void add(R* result, int a, int b, V factor, const Row<T, N>& weight, const Slab& slab) const {
    unroll<N>([&](auto k)
                  QS_INLINE { slab.add(result + at(a, b, k), factor, Row<T, 1>{{weight.x[static_cast<int>(k)]}}); });
  }
};

template <class T, int D, int N, bool Periodic = false>
struct Footprint {
  Taps<T, N> axis[D];
  Places<D, N, Periodic> place;

  QS_HD T middle(int b) const { return D == 3 ? axis[D == 3 ? 1 : 0].weight[b] : T(1); }
  QS_HD T middle_slope(int b) const { return D == 3 ? axis[D == 3 ? 1 : 0].slope[b] : T(0); }
};

// The derivative of a footprint by its position along an axis.
template <int Axis, class T, int D, int N, bool Periodic>
QS_HD Footprint<T, D, N, Periodic> along(Footprint<T, D, N, Periodic> f) {
  unroll<N>([&](auto k) QS_INLINE {
    f.axis[Axis].weight[k] = f.axis[Axis].slope[k];
    f.axis[Axis].slope[k] = f.axis[Axis].curvature[k];
  });
  return f;
}

template <class T, int D, int N>
QS_HD Places<D, N, false> place_of(const Taps<T, N> (&axis)[D], const Extent& e) {
  Places<D, N, false> place{0, axis[0].base, e.stride(0), e.stride(1)};
  unroll<D>([&](auto c) QS_INLINE { place.first += axis[c].base * e.stride(axis_of<D>(c)); });
  return place;
}

// The footprint of x + u(x) on a grid of the given extent; u by component.
template <Mode M, Padding P, class T, int D>
QS_HD Footprint<T, D, taps_of<M>, is_periodic<P>> footprint(const Voxel& v, const T (&u)[D], const Extent& e) {
  Footprint<T, D, taps_of<M>, is_periodic<P>> f;
  unroll<D>([&](auto c) QS_INLINE {
    const int a = axis_of<D>(c);
    f.axis[c] = taps_at<T, M, P>(T(v.x[a]) + u[c], e, a);
  });
  if constexpr (is_periodic<P>) {
    unroll<D>([&](auto c) QS_INLINE {
      const int a = axis_of<D>(c);
      unroll<taps_of<M>>([&](auto k) QS_INLINE {
        const int sample = sample_at<P>(f.axis[c].base + k, e, a);
        f.place.offset[c][k] = sample * e.stride(a);
        if constexpr (c == 0) {
          f.place.sample0[k] = sample;
        }
      });
    });
  } else {
    f.place = place_of(f.axis, e);
  }
  return f;
}

template <class T, int D>
QS_HD void load_vector(const View<const T>& field, const Voxel& v, T (&u)[D]) {
  unroll<D>([&](auto c) QS_INLINE { u[c] = field.at(v, c); });
}

// The vector of a field that may be the result as well. Nothing else says so to nvcc, which otherwise may read it by
// the path for memory that no kernel writes meanwhile (ld.global.nc).
template <class T, int D>
QS_HD void load_in_place(const View<const T>& field, const Voxel& v, T (&u)[D]) {
#if defined(__CUDA_ARCH__)
  unroll<D>([&](auto c) QS_INLINE { u[c] = __ldcg(&field.at(v, c)); });
#else
  load_vector(field, v, u);
#endif
}

template <class T, int D, int N, bool P>
QS_HD T gather(const T* QS_RESTRICT values, const Footprint<T, D, N, P>& f) {
  Row<T, N> sum{};
  unroll<N>([&](auto a) QS_INLINE {
    unroll<middle_taps<D, N>>([&](auto b) QS_INLINE {
      const auto row = f.place.load(values, a, b);
      sum.add(f.axis[0].weight[a] * f.middle(b), row);
    });
  });
  return sum.dot(Row<T, N>::load(f.axis[D - 1].weight));
}

// The interpolant's value, and its derivative by position added to gradient with the given factor.
template <class T, int D, int N, bool P>
QS_HD T gather_gradient(const T* QS_RESTRICT values, const Footprint<T, D, N, P>& f, T (&gradient)[D], T factor) {
  Row<T, N> sum{}, along0{}, along1{};
  unroll<N>([&](auto a) QS_INLINE {
    unroll<middle_taps<D, N>>([&](auto b) QS_INLINE {
      const auto row = f.place.load(values, a, b);
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
template <class R, class V, class T, int D, int N, bool P, class Slab>
QS_HD void scatter(R* QS_RESTRICT result, const Footprint<T, D, N, P>& f, V value, const Slab& slab) {
  const auto weight = Row<T, N>::load(f.axis[D - 1].weight);
  unroll<N>([&](auto a) QS_INLINE {
    if (!slab.owns(f.place.plane(a))) {
      return;
    }
    unroll<middle_taps<D, N>>(
        [&](auto b) QS_INLINE { f.place.add(result, a, b, value * f.axis[0].weight[a] * f.middle(b), weight, slab); });
  });
}

}  // namespace qs::QS_TARGET
