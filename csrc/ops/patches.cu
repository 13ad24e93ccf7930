// Copies between a volume and a list of patches: 8 bytes per patch voxel and channel in float32, which bounds both.
#include "ops/declarations.h"

#include "core/dispatch.h"
#include "core/parallel.h"
#include "core/scatter.h"

namespace qs::QS_TARGET {

namespace {

QS_HD std::int64_t clamp_corner(std::int64_t i, std::int64_t high) { return i < 0 ? 0 : (i < high ? i : high); }

// The voxel of the volume under voxel v of a patch. Corners on a GPU are not read back to be checked: one outside its
// volume is moved to the border.
template <int D>
QS_HD Voxel under(const Voxel& v, const std::int64_t* corners, const Grid& grid) {
  const std::int64_t* corner = corners + v.batch * (1 + D);
  const Extent& e = grid.extent;
  int x[3] = {v.x[0], v.x[1], v.x[2]};
  unroll<D>([&](auto c) QS_INLINE {
    const int a = axis_of<D>(c);
    x[a] = static_cast<int>(clamp_corner(corner[1 + c] + v.x[a], e.n[a] - 1));
  });
  return voxel_at(e, clamp_corner(corner[0], grid.batch - 1), x[0], x[1], x[2]);
}

template <class T, int D>
struct Extract {
  static constexpr Loop loop = Loop::plain;
  View<const T> image;
  View<T> patches;
  const std::int64_t* corners;
  Grid volume;
  int channels;

  QS_HD void operator()(const Voxel& v) const {
    const Voxel source = under<D>(v, corners, volume);
    for (int c = 0; c < channels; ++c) {
      patches.at(v, c) = image.at(source, c);
    }
  }
};

// R: T, or Fixed with a scale (see splat).
template <class T, class R, int D>
struct Add {
  static constexpr Loop loop = Loop::plain;
  View<const T> patches;
  View<R> out;
  const std::int64_t* corners;
  Grid volume;
  int channels;
  const double* scale;

  template <class Slab>
  QS_HD void operator()(const Voxel& v, const Slab& slab) const {
    const Voxel target = under<D>(v, corners, volume);
    if (!slab.owns(target.x[0])) {
      return;
    }
    for (int c = 0; c < channels; ++c) {
      const Row<T, 1> value{{patches.at(v, c)}};
      if constexpr (std::is_same_v<R, Fixed>) {
        slab.add(&out.at(target, c), *scale, value);
      } else {
        slab.add(&out.at(target, c), T(1), value);
      }
    }
  }

  Reach reach(std::int64_t patch, int i) const {
    const int plane = static_cast<int>(corners[patch * (1 + D) + 1]) + i;
    return {plane, plane};
  }
};

}  // namespace

void extract_patches(const Field& image, const std::int64_t* corners, const Field& patches, const Queue& queue) {
  require(patches.channels == image.channels && patches.dtype == image.dtype && patches.dims == image.dims,
          "extract_patches", "patches", patches, "the channels, dtype and number of axes of the image");
  dispatch(image, "extract_patches", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(patches), queue,
                   Extract<T, decltype(dims)::value>{view<const T>(image), view<T>(patches), corners, grid_of(image),
                                                     static_cast<int>(image.channels)});
  });
}

void add_patches(const Field& patches, const std::int64_t* corners, const Field& out, const double* scale,
                 const Queue& queue) {
  require(patches.channels == out.channels && patches.dims == out.dims &&
              out.dtype == (scale == nullptr ? patches.dtype : DType::bits64),
          "add_patches", "out", out,
          "the channels, number of axes and dtype (64 bits where there is a scale) of patches");
  dispatch(patches, "add_patches", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    const auto run = [&](auto result) {
      using R = decltype(result);
      scatter_voxels(grid_of(patches), out.shape[0], queue,
                     Add<T, R, decltype(dims)::value>{view<const T>(patches), view<R>(out), corners, grid_of(out),
                                                      static_cast<int>(out.channels), scale});
    };
    scale == nullptr ? run(T{}) : run(Fixed{});
  });
}

}  // namespace qs::QS_TARGET
