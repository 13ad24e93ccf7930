// Vector fields whose components lie together, and their interpolation.
//
// Every voxel has `lanes` numbers: the D components, and in 3-D one to spare. The N samples of a footprint's row are
// then N lanes consecutive numbers, so that a cubic gather in 3-D takes 64 loads of four numbers on a GPU in place of
// 192 of one, and 32 of eight on the CPU in place of 48 of four, from a third of the cache lines.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/packet.h"
#include "core/sampling/footprint_block.h"

namespace qs::QS_TARGET {

template <int D>
constexpr int lanes = D == 3 ? 4 : 2;

// The numbers of one voxel, moved at once.
template <class T, int D>
struct alignas(lanes<D> * sizeof(T) > 16 ? 16 : lanes<D> * sizeof(T)) Sample {
  T x[lanes<D>];
};

// N neighbouring vectors along the contiguous axis.
#if defined(QS_GPU)

template <class T, int D, int N>
struct VectorRow {
  T x[N][D];

  QS_HD static VectorRow load(const T* p) {
    VectorRow row;
    unroll<N>([&](auto k) {
      const Sample<T, D> sample = reinterpret_cast<const Sample<T, D>*>(p)[k];
      unroll<D>([&](auto c) { row.x[k][c] = sample.x[c]; });
    });
    return row;
  }
  QS_HD void add(T factor, const VectorRow& other) {
    unroll<N>([&](auto k) { unroll<D>([&](auto c) { x[k][c] += factor * other.x[k][c]; }); });
  }
  QS_HD void contract(const T (&weight)[N], T (&sum)[D]) const {
    unroll<D>([&](auto c) {
      sum[c] = T(0);
      unroll<N>([&](auto k) { sum[c] += weight[k] * x[k][c]; });
    });
  }
};

#else

template <class T, int D, int N>
struct VectorRow {
  static constexpr int size = N * lanes<D>;
  static constexpr int part = std::min(size, Packet<T>::size);  // numbers in a register
  typedef T Part __attribute__((vector_size(part * sizeof(T))));
  typedef T Lanes __attribute__((vector_size(lanes<D> * sizeof(T))));
  Part x[size / part];

  QS_HD static VectorRow load(const T* p) {
    VectorRow row;
    unroll<size / part>([&](auto n) QS_INLINE { __builtin_memcpy(&row.x[n], p + n * part, sizeof(Part)); });
    return row;
  }
  QS_HD void add(T factor, const VectorRow& other) {
    unroll<size / part>([&](auto n) QS_INLINE { x[n] += factor * other.x[n]; });
  }
  QS_HD void contract(const T (&weight)[N], T (&sum)[D]) const {
    Lanes total{};
    unroll<N>([&](auto k) QS_INLINE { add_sample(k, weight[k], total, std::make_integer_sequence<int, lanes<D>>{}); });
    unroll<D>([&](auto c) QS_INLINE { sum[c] = total[static_cast<int>(c)]; });
  }

 private:
  template <class K, int... I>
  QS_HD void add_sample(K, T weight, Lanes& total, std::integer_sequence<int, I...>) const {
    constexpr int first = K::value * lanes<D>;
    total += weight * Lanes{x[first / part][first % part + I]...};
  }
};

#endif

// An interleaved field; a batch of one stands for every entry of a larger one.
template <class T, int D>
struct Vectors {
  T* data;
  std::int64_t batch_stride;

  QS_HD T* entry(std::int64_t batch) const { return data + batch * batch_stride; }
  QS_HD T* at(const Voxel& v) const { return entry(v.batch) + static_cast<std::int64_t>(lanes<D>) * v.offset; }
};

template <class T, int D>
Vectors<T, D> vectors(const Field& field) {
  const std::int64_t volume = static_cast<std::int64_t>(field.shape[0]) * field.shape[1] * field.shape[2];
  return {static_cast<T*>(field.data), field.batch == 1 ? 0 : volume * lanes<D>};
}

template <class T, int D>
QS_HD void load_vector(const Vectors<const T, D>& field, const Voxel& v, T (&u)[D]) {
  VectorRow<T, D, 1>::load(field.at(v)).contract({T(1)}, u);
}

// f(a, b, row): the rows of a footprint along the contiguous axis, at tap a of the first and b of the middle axis. By
// pointers that walk, because indices of 32 bits would each be extended.
template <class T, int D, int N, class F>
QS_HD void each_row(const T* values, const Footprint<T, D, N>& f, F&& visit) {
  const std::ptrdiff_t step0 = lanes<D> * std::ptrdiff_t(f.place.stride0);
  const std::ptrdiff_t step1 = lanes<D> * std::ptrdiff_t(f.place.stride1);
  const T* plane = values + lanes<D> * std::ptrdiff_t(f.place.first);
  unroll<N>([&](auto a) QS_INLINE {
    const T* row = plane;
    unroll<middle_taps<D, N>>([&](auto b) QS_INLINE {
      visit(a, b, VectorRow<T, D, N>::load(row));
      row += step1;
    });
    plane += step0;
  });
}

// The vector at a footprint.
template <class T, int D, int N>
QS_HD void gather(const T* QS_RESTRICT values, const Footprint<T, D, N>& f, T (&out)[D]) {
  VectorRow<T, D, N> sum{};
  each_row(values, f, [&](auto a, auto b, const VectorRow<T, D, N>& row) QS_INLINE {
    sum.add(f.axis[0].weight[a] * f.middle(b), row);
  });
  sum.contract(f.axis[D - 1].weight, out);
}

// Adds the derivatives by position of the sum of the components, each times its factor.
template <class T, int D, int N>
QS_HD void gather_gradient(const T* QS_RESTRICT values, const Footprint<T, D, N>& f, T (&gradient)[D],
                           const T (&factor)[D]) {
  VectorRow<T, D, N> sum{}, along0{}, along1{};
  each_row(values, f, [&](auto a, auto b, const VectorRow<T, D, N>& row) QS_INLINE {
    sum.add(f.axis[0].weight[a] * f.middle(b), row);
    along0.add(f.axis[0].slope[a] * f.middle(b), row);
    if constexpr (D == 3) {
      along1.add(f.axis[0].weight[a] * f.middle_slope(b), row);
    }
  });
  const auto add = [&](const VectorRow<T, D, N>& row, const T(&weight)[N], T& result) QS_INLINE {
    T slope[D];
    row.contract(weight, slope);
    unroll<D>([&](auto c) QS_INLINE { result += factor[c] * slope[c]; });
  };
  add(along0, f.axis[D - 1].weight, gradient[0]);
  if constexpr (D == 3) {
    add(along1, f.axis[D - 1].weight, gradient[1]);
  }
  add(sum, f.axis[D - 1].slope, gradient[D - 1]);
}

// out = the vectors of one entry of an interleaved field at the first `count` footprints of a block.
template <class T, int D, int N, bool Slopes>
QS_HD void gather_block(const T* QS_RESTRICT values, const FootprintBlock<T, D, N, Slopes>& footprints, int count,
                        VectorBlock<T, D>& out) {
  for (int k = 0; k < count; ++k) {
    VectorRow<T, D, N> sum{};
    footprints.each_row_of(k, [&](auto row, std::ptrdiff_t offset) QS_INLINE {
      sum.add(footprints.weight(0, row, k), VectorRow<T, D, N>::load(values + lanes<D> * offset));
    });
    T last[N], vector[D];
    footprints.last(0, k, last);
    sum.contract(last, vector);
    unroll<D>([&](auto c) QS_INLINE { out[c][k] = vector[c]; });
  }
}

// gradient = the derivatives there by position of the sum of the components, each times its factor.
template <class T, int D, int N>
QS_HD void gather_gradient_block(const T* QS_RESTRICT values, const FootprintBlock<T, D, N, true>& footprints,
                                 int count, const VectorBlock<T, D>& factor, VectorBlock<T, D>& gradient) {
  for (int k = 0; k < count; ++k) {
    VectorRow<T, D, N> sum[D] = {};
    footprints.each_row_of(k, [&](auto row, std::ptrdiff_t offset) QS_INLINE {
      const auto samples = VectorRow<T, D, N>::load(values + lanes<D> * offset);
      unroll<D>([&](auto a) QS_INLINE { sum[a].add(footprints.weight(a, row, k), samples); });
    });
    T weight[N], slope[N];
    footprints.last(0, k, weight);
    footprints.last(1, k, slope);
    unroll<D>([&](auto a) QS_INLINE {  // sum[0] is the one without a derivative yet: by the last axis
      T along[D], total = T(0);
      sum[a].contract(a == 0 ? slope : weight, along);
      unroll<D>([&](auto c) QS_INLINE { total += factor[c][k] * along[c]; });
      gradient[a == 0 ? D - 1 : a - 1][k] = total;
    });
  }
}

}  // namespace qs::QS_TARGET
