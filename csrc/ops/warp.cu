// Interpolation at displaced voxels.
//
// One voxel per thread: load its displacement (4 D bytes in float32), form the footprint in registers, gather N^D
// samples per channel and store 4 bytes per channel. Neighbouring voxels read neighbouring samples, so each sample
// comes from memory about once: 4 (D + 2 C) bytes per voxel in float32 (20 for C = 1, 36 for C = 3 in 3-D), which
// is what bounds a linear warp. D channels share one footprint; more channels come in further launches.
#include "ops/declarations.h"

#include "core/parallel.h"
#include "core/sampling/dispatch.h"
#include "core/sampling/footprint.h"
#include "core/sampling/linear_block.h"

namespace qs::QS_TARGET {

namespace {

// On the CPU cubic taps vectorise along the four samples of a row, linear ones in blocks of pairs of neighbours.
template <class S>
constexpr Loop loop_of = S::mode == Mode::cubic                                ? Loop::plain
                         : S::mode == Mode::linear && !is_periodic<S::padding> ? Loop::blocks
                                                                               : Loop::vectorised;

template <class T, int D, int C, class S, bool Compose>
struct Warp {
  static constexpr Loop loop = loop_of<S>;
  View<const T> image, displacement;
  View<T> out;
  Extent extent;

  QS_HD void operator()(const Voxel& v) const {
    T u[D];
    load_vector(displacement, v, u);
    const auto f = footprint<S::mode, S::padding>(v, u, extent);
    unroll<C>([&](auto c) QS_INLINE {
      const T value = gather(image.channel(v.batch, c), f);
      out.at(v, c) = Compose ? u[c % D] + value : value;
    });
  }

  QS_HD void block(const Voxel& v, int count) const {
    LinearBlock<T, D, false> footprints(extent);
    set_footprints<S::mode, S::padding>(footprints, displacement, v, count, extent);
    const T* values[C];
    unroll<C>([&](auto c) QS_INLINE { values[c] = image.channel(v.batch, c); });
    for (int k = 0; k < count; k += Packet<T>::size) {
      Packet<T> value[C];
      footprints.gather(values, k, value);
      unroll<C>([&](auto c) QS_INLINE {
        if constexpr (Compose) {
          value[c].x += Packet<T>::load(&displacement.at(v.next(k), c), count - k).x;
        }
        value[c].store(&out.at(v.next(k), c), count - k);
      });
    }
  }
};

template <class T, int D, int C, class S>
struct WarpGradient {
  static constexpr Loop loop = loop_of<S>;
  View<const T> image, displacement, grad;
  View<T> out;
  Extent extent;
  bool accumulate;

  QS_HD void operator()(const Voxel& v) const {
    T u[D];
    load_vector(displacement, v, u);
    const auto f = footprint<S::mode, S::padding>(v, u, extent);
    T sum[D] = {};
    unroll<C>([&](auto c) QS_INLINE { gather_gradient(image.channel(v.batch, c), f, sum, grad.at(v, c)); });
    unroll<D>([&](auto a) QS_INLINE { out.at(v, a) = accumulate ? out.at(v, a) + sum[a] : sum[a]; });
  }

  QS_HD void block(const Voxel& v, int count) const {
    LinearBlock<T, D, true> footprints(extent);
    set_footprints<S::mode, S::padding>(footprints, displacement, v, count, extent);
    const T* values[C];
    unroll<C>([&](auto c) QS_INLINE { values[c] = image.channel(v.batch, c); });
    for (int k = 0; k < count; k += Packet<T>::size) {
      Packet<T> factor[C], sum[D];
      unroll<C>([&](auto c) QS_INLINE { factor[c] = Packet<T>::load(&grad.at(v.next(k), c), count - k); });
      footprints.gather_gradient(values, k, factor, sum);
      unroll<D>([&](auto a) QS_INLINE {
        T* const result = &out.at(v.next(k), a);
        if (accumulate) {
          sum[a].x += Packet<T>::load(result, count - k).x;
        }
        sum[a].store(result, count - k);
      });
    }
  }
};

template <class T, class Bits, int D, Padding P>
struct WarpBits {
  static constexpr Loop loop = Loop::plain;
  View<const Bits> image;
  View<const T> displacement;
  View<Bits> out;
  Extent extent;
  int channels;

  QS_HD void operator()(const Voxel& v) const {
    T u[D];
    load_vector(displacement, v, u);
    const auto f = footprint<Mode::nearest, P>(v, u, extent);
    T weight = T(1);  // 0 outside
    unroll<D>([&](auto c) QS_INLINE { weight *= f.axis[c].weight[0]; });
    const int sample = weight != T(0) ? f.place.at(0, 0, 0) : -1;
#pragma unroll 1  // unrolled it would need local memory
    for (int c = 0; c < channels; ++c) {
      out.at(v, c) = sample < 0 ? Bits(0) : image.channel(v.batch, c)[sample];
    }
  }
};

// A footprint of 64 samples, each at an index of its own, leaves registers for the slopes of one channel only.
template <int D, class S>
constexpr int gradient_channels = S::mode == Mode::cubic && is_periodic<S::padding> ? 1 : D;

void check_gather(const Field& image, const Field& displacement, const Field& out, int taps, const char* op) {
  require_vectors(displacement, op, "displacement");
  require(image.dims == displacement.dims, op, "image", image, "the number of axes of the displacement");
  require_broadcast(image, out.batch, op, "image");
  require_broadcast(displacement, out.batch, op, "displacement");
  require_samples(image, taps, op, "image");
}

}  // namespace

void warp(const Field& image, const Field& displacement, const Field& out, const Sampling& sampling,
          const Queue& queue) {
  check_gather(image, displacement, out, taps_of_mode(sampling.mode), "warp");
  require(image.dtype == displacement.dtype, "warp", "image", image, "the dtype of the displacement");
  require_on(out, displacement, out.batch, image.channels, "warp", "out");
  dispatch(displacement, "warp", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    dispatch_sampling(sampling, [&](auto sampler) {
      using S = decltype(sampler);
      for_channel_groups<D>(image.channels, [&](auto group, std::int64_t first) {
        for_each_voxel(
            grid_of(out), queue,
            Warp<T, D, decltype(group)::value, S, false>{view<const T>(image, first), view<const T>(displacement),
                                                         view<T>(out, first), extent_of(image, sampling.padding)});
      });
    });
  });
}

void warp_bits(const Field& image, const Field& displacement, const Field& out, Padding padding, const Queue& queue) {
  check_gather(image, displacement, out, 1, "warp");
  require(same_grid(out, displacement) && out.channels == image.channels && out.dtype == image.dtype, "warp", "out",
          out, "the image's dtype and channels on the displacement's grid");
  dispatch(displacement, "warp", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    dispatch_bits(image, [&](auto bits) {
      using Bits = decltype(bits);
      dispatch_padding(padding, [&](auto pad) {
        for_each_voxel(grid_of(out), queue,
                       WarpBits<T, Bits, D, decltype(pad)::value>{view<const Bits>(image), view<const T>(displacement),
                                                                  view<Bits>(out), extent_of(image, padding),
                                                                  static_cast<int>(image.channels)});
      });
    });
  });
}

void warp_displacement_gradient(const Field& image, const Field& displacement, const Field& grad, const Field& out,
                                const Sampling& sampling, const Queue& queue) {
  constexpr const char* op = "warp_displacement_gradient";
  require_interpolation(sampling, op, "image", image);
  check_gather(image, displacement, out, taps_of_mode(sampling.mode), op);
  require(image.dtype == displacement.dtype, op, "image", image, "the dtype of the displacement");
  require_on(grad, displacement, out.batch, image.channels, op, "grad");
  require_on(out, displacement, out.batch, displacement.dims, op, "out");
  dispatch(displacement, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    dispatch_interpolation(sampling, [&](auto sampler) {
      using S = decltype(sampler);
      for_channel_groups<gradient_channels<D, S>>(image.channels, [&](auto group, std::int64_t first) {
        for_each_voxel(grid_of(out), queue,
                       WarpGradient<T, D, decltype(group)::value, S>{
                           view<const T>(image, first), view<const T>(displacement), view<const T>(grad, first),
                           view<T>(out), extent_of(image, sampling.padding), first > 0});
      });
    });
  });
}

void compose(const Field& outer, const Field& inner, const Field& out, const Sampling& sampling, const Queue& queue) {
  require_interpolation(sampling, "compose", "outer", outer);
  check_gather(outer, inner, out, taps_of_mode(sampling.mode), "compose");
  require_vectors(outer, "compose", "outer");
  require(outer.dtype == inner.dtype && same_grid(outer, inner), "compose", "outer", outer,
          "the dtype and grid of the inner displacement");
  require_on(out, inner, out.batch, inner.dims, "compose", "out");
  dispatch(inner, "compose", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    dispatch_interpolation(sampling, [&](auto sampler) {
      for_each_voxel(grid_of(out), queue,
                     Warp<T, D, D, decltype(sampler), true>{view<const T>(outer), view<const T>(inner), view<T>(out),
                                                            extent_of(outer, sampling.padding)});
    });
  });
}

}  // namespace qs::QS_TARGET
