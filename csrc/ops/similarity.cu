// I(x + u(x)) - J(x), and in the same pass its product with the derivative of I.
//
// One voxel per thread, as warp; 12 + 12 C bytes per voxel in 3-D and float32, and with the slopes 12 more: where warp,
// subtraction and warp_displacement_gradient move 36 + 32 C.
#include "ops/declarations.h"

#include "core/dispatch.h"
#include "core/parallel.h"
#include "core/sampling/footprint.h"
#include "core/sampling/linear_block.h"

namespace qs::QS_TARGET {

namespace {

template <class T, int D, int C, Padding P, bool Slopes>
struct Residual {
  static constexpr Loop loop = Loop::blocks;
  View<const T> image, target, displacement;
  View<T> residual, slopes;
  Extent extent;
  bool accumulate;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], sum[D] = {};
    load_vector(displacement, v, u);
    const auto f = footprint<Mode::linear, P>(v, u, extent);
    unroll<C>([&](auto c) QS_INLINE {
      T slope[D] = {};
      const T value =
          Slopes ? gather_gradient(image.channel(v.batch, c), f, slope, T(1)) : gather(image.channel(v.batch, c), f);
      const T difference = value - target.at(v, c);
      residual.at(v, c) = difference;
      unroll<D>([&](auto a) QS_INLINE { sum[a] += difference * slope[a]; });
    });
    if constexpr (Slopes) {
      unroll<D>([&](auto a) QS_INLINE { slopes.at(v, a) = accumulate ? slopes.at(v, a) + sum[a] : sum[a]; });
    }
  }

  QS_HD void block(const Voxel& v, int count) const {
    LinearBlock<T, D, Slopes> footprints(extent);
    set_footprints<Mode::linear, P>(footprints, displacement, v, count, extent);
    for (int k = 0; k < count; k += Packet<T>::size) {
      Packet<T> sum[D] = {};
      unroll<C>([&](auto c) QS_INLINE {
        Packet<T> slope[D] = {};
        const T* const values[1] = {image.channel(v.batch, c)};
        Packet<T> found[1];
        if constexpr (Slopes) {
          found[0] = footprints.linearise(values[0], k, slope);
        } else {
          footprints.gather(values, k, found);
        }
        Packet<T> difference = found[0];
        difference.x -= Packet<T>::load(&target.at(v.next(k), c), count - k).x;
        difference.store(&residual.at(v.next(k), c), count - k);
        unroll<D>([&](auto a) QS_INLINE { sum[a].x += difference.x * slope[a].x; });
      });
      if constexpr (Slopes) {
        store_slopes(v.next(k), count - k, sum);
      }
    }
  }

  QS_HD void store_slopes(const Voxel& v, int count, Packet<T> (&sum)[D]) const {
    unroll<D>([&](auto a) QS_INLINE {
      T* const result = &slopes.at(v, a);
      if (accumulate) {
        sum[a].x += Packet<T>::load(result, count).x;
      }
      sum[a].store(result, count);
    });
  }
};

void check(const Field& image, const Field& target, const Field& displacement, const Field& residual,
           const Field& slopes, Padding padding, const char* op) {
  require_vectors(displacement, op, "displacement");
  require(image.dims == displacement.dims && image.dtype == displacement.dtype, op, "image", image,
          "the dtype and number of axes of the displacement");
  require_samples(image, 2, op, "image");
  require(padding == Padding::border || padding == Padding::zeros, op, "image", image, "padding border or zeros");
  require_broadcast(image, residual.batch, op, "image");
  require_broadcast(displacement, residual.batch, op, "displacement");
  require_broadcast(target, residual.batch, op, "target");
  require_on(target, displacement, target.batch, image.channels, op, "target");
  require_on(residual, displacement, residual.batch, image.channels, op, "residual");
  if (slopes.data != nullptr) {
    require_on(slopes, displacement, residual.batch, displacement.dims, op, "slopes");
  }
}

}  // namespace

void warp_residual(const Field& image, const Field& target, const Field& displacement, const Field& residual,
                   const Field& slopes, Padding padding, const Queue& queue) {
  check(image, target, displacement, residual, slopes, padding, "warp_residual");
  dispatch(displacement, "warp_residual", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    const auto run = [&](auto pad, auto sloped) {
      constexpr bool Slopes = decltype(sloped)::value;
      for_channel_groups<D>(image.channels, [&](auto group, std::int64_t first) {
        for_each_voxel(grid_of(residual), queue,
                       Residual<T, D, decltype(group)::value, decltype(pad)::value, Slopes>{
                           view<const T>(image, first), view<const T>(target, first), view<const T>(displacement),
                           view<T>(residual, first), view<T>(slopes), extent_of(image), first > 0});
      });
    };
    const auto with_padding = [&](auto sloped) {
      padding == Padding::border ? run(std::integral_constant<Padding, Padding::border>{}, sloped)
                                 : run(std::integral_constant<Padding, Padding::zeros>{}, sloped);
    };
    slopes.data != nullptr ? with_padding(std::true_type{}) : with_padding(std::false_type{});
  });
}

}  // namespace qs::QS_TARGET
