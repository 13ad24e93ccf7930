// out(y) = sum_x w(y; x + u(x)) values(x), w being the weights that warp gathers with.
//
// On the GPU one thread takes one source voxel and adds N^D values per channel by atomics; on the CPU each
// worker owns a slab of result planes (see scatter_voxels), and the sum has the same bits for any number of threads.
// On the GPU it has them if the result is fixed-point: 64-bit integers, each term rounded after multiplication by a
// scale. 4 (D + 2 C) bytes per voxel in float32 if every result voxel stays in cache while it collects its terms, 4 C
// more in fixed point.
#include "ops/declarations.h"

#include "core/sampling/dispatch.h"
#include "core/sampling/footprint.h"
#include "core/sampling/scatter_block.h"
#include "core/scatter.h"

namespace qs::QS_TARGET {

namespace {

// R: T, or Fixed with a scale.
template <class T, class R, int D, int C, class S>
struct Splat {
  // By blocks on the CPU where the footprints are rows of neighbours.
  static constexpr bool in_rows = S::taps > 1 && !is_periodic<S::padding> && std::is_same_v<T, R>;
  static constexpr Loop loop = in_rows ? Loop::blocks : Loop::plain;
  View<const T> values, displacement;
  View<R> out;
  Extent source, extent;
  const double* scale;

  template <class Slab>
  QS_HD void operator()(const Voxel& v, const Slab& slab) const {
    const T u0 = displacement.at(v, 0);
    const auto outer = taps_at<T, S::mode, S::padding>(T(v.x[0]) + u0, extent, 0);
    bool mine = false;
    unroll<S::taps>([&](auto a)
                        QS_INLINE { mine = mine || slab.owns(sample_at<S::padding>(outer.base + a, extent, 0)); });
    if (!mine) {
      return;
    }
    T u[D];
    load_vector(displacement, v, u);
    const auto f = footprint<S::mode, S::padding>(v, u, extent);
    unroll<C>([&](auto c) QS_INLINE {
      if constexpr (std::is_same_v<R, Fixed>) {
        scatter(out.channel(v.batch, c), f, values.at(v, c) * *scale, slab);
      } else {
        scatter(out.channel(v.batch, c), f, values.at(v, c), slab);
      }
    });
  }

  void block(const Voxel& v, int count, const Slab& slab) const {
    ScatterBlock<T, D, S::taps> footprints(extent);
    set_footprints<S::mode, S::padding>(footprints, displacement, v, count, extent);
    const T* from[C];
    T* to[C];
    unroll<C>([&](auto c) QS_INLINE {
      from[c] = &values.at(v, c);
      to[c] = out.channel(v.batch, c);
    });
    footprints.add(from, to, slab);
  }

  Reach reach(std::int64_t batch, int i) const {
    const int rows = source.n[1] * source.n[2];
    const T* u0 = displacement.channel(batch, 0) + static_cast<std::int64_t>(i) * rows;
    T low = u0[0], high = u0[0];
#pragma omp simd reduction(min : low) reduction(max : high)
    for (int n = 1; n < rows; ++n) {
      low = u0[n] < low ? u0[n] : low;
      high = u0[n] > high ? u0[n] : high;
    }
    const auto first = taps_at<T, S::mode, S::padding>(T(i) + low, extent, 0);
    const auto last = taps_at<T, S::mode, S::padding>(T(i) + high, extent, 0);
    // A NaN lands at the low end whatever the comparisons above made of it; beyond a seam or a mirror planes come in no
    // order.
    const bool inside = T(i) + low >= T(S::taps) && T(i) + high <= T(extent.n[0] - 1 - S::taps);
    const bool in_order = is_periodic<S::padding> ? inside : low <= high;
    return {in_order ? first.base : 0, in_order ? last.base + S::taps - 1 : extent.n[0] - 1};
  }
};

}  // namespace

void splat(const Field& values, const Field& displacement, const Field& out, const double* scale,
           const Sampling& sampling, const Queue& queue) {
  const std::int64_t batch = common_batch(values, displacement);
  require_vectors(displacement, "splat", "displacement");
  require(values.dtype == displacement.dtype && same_grid(values, displacement), "splat", "values", values,
          "the dtype and grid of the displacement");
  require_broadcast(values, batch, "splat", "values");
  require_broadcast(displacement, batch, "splat", "displacement");
  require(out.dtype == (scale == nullptr ? values.dtype : DType::bits64) && out.channels == values.channels &&
              out.dims == values.dims,
          "splat", "out", out, "the dtype (64 bits where there is a scale) and channels of the values");
  require_broadcast(out, batch, "splat", "out");
  require_samples(out, taps_of_mode(sampling.mode), "splat", "out");
  dispatch(displacement, "splat", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    dispatch_sampling(sampling, [&](auto sampler) {
      const auto run = [&](auto result, auto group, std::int64_t first) {
        using R = decltype(result);
        scatter_voxels({extent_of(displacement), batch}, out.shape[0], queue,
                       Splat<T, R, D, decltype(group)::value, decltype(sampler)>{
                           view<const T>(values, first), view<const T>(displacement), view<R>(out, first),
                           extent_of(displacement), extent_of(out, sampling.padding), scale});
      };
      if (scale == nullptr) {
        for_channel_groups<D>(values.channels, [&](auto group, std::int64_t first) { run(T{}, group, first); });
      } else {
        for_channel_groups<1>(values.channels, [&](auto group, std::int64_t first) { run(Fixed{}, group, first); });
      }
    });
  });
}

}  // namespace qs::QS_TARGET
