// The footprint of a displaced voxel, differentiated along a direction.
//
// One voxel per thread: displacement and direction (24 bytes in 3-D and float32), N^D samples per channel, with the
// weights' derivatives. 24 + 8 C bytes per voxel for the tangents and 36 + 8 C for the Hessian; the cubic ones are
// bound by their arithmetic. Nothing here is tuned further: second derivatives are rarely asked for.
#include "ops/declarations.h"

#include <type_traits>

#include "core/parallel.h"
#include "core/sampling/dispatch.h"
#include "core/sampling/footprint.h"
#include "core/scatter.h"

namespace qs::QS_TARGET {

namespace {

template <class S>
constexpr Loop loop_of = S::mode == Mode::cubic ? Loop::plain : Loop::vectorised;

template <class T, int D, class S>
struct WarpTangent {
  static constexpr Loop loop = loop_of<S>;
  View<const T> image, displacement, direction;
  View<T> out;
  Extent extent;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], h[D], slope[D] = {}, sum = T(0);
    load_vector(displacement, v, u);
    load_vector(direction, v, h);
    const auto f = footprint<S::mode, S::padding>(v, u, extent);
    gather_gradient(image.channel(v.batch, 0), f, slope, T(1));
    unroll<D>([&](auto a) QS_INLINE { sum += h[a] * slope[a]; });
    out.at(v, 0) = sum;
  }
};

template <class T, int D, class S>
struct SplatTangent {
  static constexpr Loop loop = Loop::plain;
  View<const T> values, displacement, direction;
  View<T> out;
  Extent extent;

  template <class Slab>
  QS_HD void operator()(const Voxel& v, const Slab& slab) const {
    T u[D], h[D];
    load_vector(displacement, v, u);
    load_vector(direction, v, h);
    const auto f = footprint<S::mode, S::padding>(v, u, extent);
    unroll<D>([&](auto a) QS_INLINE {
      scatter(out.channel(v.batch, 0), along<decltype(a)::value>(f), values.at(v, 0) * h[a], slab);
    });
  }

  Reach reach(std::int64_t, int) const { return {0, extent.n[0] - 1}; }
};

template <class T, int D, class S>
struct WarpHessian {
  static constexpr Loop loop = loop_of<S>;
  View<const T> image, displacement, values, direction;
  View<T> out;
  Extent extent;
  bool accumulate;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], h[D], sum[D] = {};
    load_vector(displacement, v, u);
    load_vector(direction, v, h);
    const auto f = footprint<S::mode, S::padding>(v, u, extent);
    unroll<D>([&](auto a) QS_INLINE {
      gather_gradient(image.channel(v.batch, 0), along<decltype(a)::value>(f), sum, h[a] * values.at(v, 0));
    });
    unroll<D>([&](auto b) QS_INLINE { out.at(v, b) = accumulate ? out.at(v, b) + sum[b] : sum[b]; });
  }
};

void check(const Field& source, const Field& displacement, const Field& direction, const Field& values,
           const Sampling& sampling, const char* op) {
  require_vectors(displacement, op, "displacement");
  require_like(direction, displacement, displacement.dims, op, "direction");
  require_like(values, displacement, source.channels, op, "values");
  require(source.dims == displacement.dims && source.dtype == displacement.dtype && source.batch == displacement.batch,
          op, "image", source, "the dtype, batch and number of axes of the displacement");
  require_samples(source, taps_of_mode(sampling.mode), op, "image");
  require_interpolation(sampling, op, "image", source);
}

// Calls f(T{}, Int<D>{}, Sampler{}, channel) for every channel.
template <class F>
void for_each_channel(const Field& source, const Sampling& sampling, const char* op, F&& f) {
  dispatch(source, op, [&](auto scalar, auto dims) {
    dispatch_interpolation(sampling, [&](auto sampler) {
      for (std::int64_t c = 0; c < source.channels; ++c) {
        f(scalar, dims, sampler, c);
      }
    });
  });
}

}  // namespace

void warp_tangent(const Field& image, const Field& displacement, const Field& direction, const Field& out,
                  const Sampling& sampling, const Queue& queue) {
  check(image, displacement, direction, out, sampling, "warp_tangent");
  for_each_channel(image, sampling, "warp_tangent", [&](auto scalar, auto dims, auto sampler, std::int64_t c) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(out), queue,
                   WarpTangent<T, decltype(dims)::value, decltype(sampler)>{
                       view<const T>(image, c), view<const T>(displacement), view<const T>(direction), view<T>(out, c),
                       extent_of(image, sampling.padding)});
  });
}

void splat_tangent(const Field& values, const Field& displacement, const Field& direction, const Field& out,
                   const Sampling& sampling, const Queue& queue) {
  check(out, displacement, direction, values, sampling, "splat_tangent");
  for_each_channel(out, sampling, "splat_tangent", [&](auto scalar, auto dims, auto sampler, std::int64_t c) {
    using T = decltype(scalar);
    scatter_voxels(grid_of(displacement), out.shape[0], queue,
                   SplatTangent<T, decltype(dims)::value, decltype(sampler)>{
                       view<const T>(values, c), view<const T>(displacement), view<const T>(direction), view<T>(out, c),
                       extent_of(out, sampling.padding)});
  });
}

void warp_hessian(const Field& image, const Field& displacement, const Field& values, const Field& direction,
                  const Field& out, const Sampling& sampling, const Queue& queue) {
  check(image, displacement, direction, values, sampling, "warp_hessian");
  require_like(out, displacement, displacement.dims, "warp_hessian", "out");
  for_each_channel(image, sampling, "warp_hessian", [&](auto scalar, auto dims, auto sampler, std::int64_t c) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(out), queue,
                   WarpHessian<T, decltype(dims)::value, decltype(sampler)>{
                       view<const T>(image, c), view<const T>(displacement), view<const T>(values, c),
                       view<const T>(direction), view<T>(out), extent_of(image, sampling.padding), c > 0});
  });
}

}  // namespace qs::QS_TARGET
