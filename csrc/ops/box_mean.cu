// The mean over a window of neighbours along one axis, zeros outside.
//
// One voxel per thread adds up its window, which the caches hold: 8 bytes per voxel in float32, which bound it. The sum
// is formed anew for every voxel, so that no rounding travels along an axis as in a running one.
#include "ops/declarations.h"

#include <algorithm>

#include "core/dispatch.h"
#include "core/parallel.h"

namespace qs::QS_TARGET {

namespace {

template <class T, int Axis>
struct BoxMean {
  static constexpr Loop loop = Loop::blocks;
  View<const T> field;
  View<T> out;
  Extent extent;
  int radius;
  T weight;

  QS_HD void operator()(const Voxel& v) const {
    const int at = v.x[Axis], after = extent.n[Axis] - 1 - at, stride = extent.stride(Axis);
    const T* const here = &field.at(v, 0);
    T sum = T(0);
    for (int n = at < radius ? -at : -radius; n <= (after < radius ? after : radius); ++n) {
      sum += here[n * stride];
    }
    out.at(v, 0) = weight * sum;
  }

  // Neighbour by neighbour, for the voxels that have it.
  QS_HD void block(const Voxel& v, int count) const {
    const int size = extent.n[Axis], stride = extent.stride(Axis);
    const T* const here = &field.at(v, 0);
    T sum[block_width] = {};
    for (int n = -radius; n <= radius; ++n) {
      const int at = v.x[Axis] + n;
      const int first = Axis == 2 ? std::max(0, -at) : (at < 0 ? count : 0);
      const int last = Axis == 2 ? std::min(count, size - at) : (at < size ? count : 0);
      for (int k = first; k < last; ++k) {
        sum[k] += here[k + n * stride];
      }
    }
    for (int k = 0; k < count; ++k) {
      (&out.at(v, 0))[k] = weight * sum[k];
    }
  }
};

}  // namespace

void box_mean(const Field& field, const Field& out, int axis, int window, const Queue& queue) {
  require_like(out, field, field.channels, "box_mean", "out");
  require(axis >= 0 && axis < field.dims, "box_mean", "field", field, "the axis to be one of its own");
  dispatch(field, "box_mean", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    const auto along = [&](auto component) {
      for (std::int64_t c = 0; c < field.channels; ++c) {
        for_each_voxel(grid_of(field), queue,
                       BoxMean<T, axis_of<D>(decltype(component)::value)>{
                           view<const T>(field, c), view<T>(out, c), extent_of(field), window / 2, T(1) / T(window)});
      }
    };
    axis == 0 ? along(Int<0>{}) : (axis == D - 1 ? along(Int<D - 1>{}) : along(Int<1>{}));
  });
}

}  // namespace qs::QS_TARGET
