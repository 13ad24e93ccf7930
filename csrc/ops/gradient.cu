// (D_a f)(x), central differences inside and the faces' rule on the first and last sample of an axis.
//
// Each voxel reads the 2 D neighbours along the axes, all but one plane of them from cache: 4 (1 + D) bytes per voxel
// and channel in float32 for the gradient and its transpose (16 in 3-D), as many in all for the divergence and its own.
// That bounds them.
#include "ops/declarations.h"

#include "core/dispatch.h"
#include "core/parallel.h"
#include "core/stencil.h"

namespace qs::QS_TARGET {

namespace {

template <class T, int D, int C>
struct Gradient {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> field;
  View<T> out;
  Extent extent;
  bool identity;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    const Stencil<T, D> stencil(v, extent, faces);
    unroll<C>([&](auto c) QS_INLINE {
      unroll<D>([&](auto a) QS_INLINE {
        const T here = a == c && identity ? stencil.axis[a].of_identity() : T(0);
        out.at(v, c * D + a) = stencil.of(field.channel(v.batch, c), a) + here;
      });
    });
  }
};

template <class T, int D, int C>
struct GradientTransposed {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> matrices;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    unroll<C>([&](auto c) QS_INLINE {
      T sum = T(0);
      unroll<D>([&](auto a) QS_INLINE {
        const T* g = matrices.channel(v.batch, c * D + a);
        sum += difference_transposed<T, D>([&](int offset) QS_INLINE { return g[offset]; }, v, extent, a, faces);
      });
      out.at(v, c) = sum;
    });
  }
};

template <class T, int D>
struct Divergence {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> field;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    const Stencil<T, D> stencil(v, extent, faces);
    T sum = T(0);
    unroll<D>([&](auto a) QS_INLINE { sum += stencil.of(field.channel(v.batch, a), a); });
    out.at(v, 0) = sum;
  }
};

template <class T, int D>
struct DivergenceTransposed {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> field;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    const T* g = field.channel(v.batch, 0);
    const auto sample = [&](int offset) QS_INLINE { return g[offset]; };
    unroll<D>([&](auto a) QS_INLINE { out.at(v, a) = difference_transposed<T, D>(sample, v, extent, a, faces); });
  }
};

}  // namespace

void gradient(const Field& field, const Field& out, bool identity, Faces faces, const Queue& queue) {
  require_like(out, field, field.channels * field.dims, "gradient", "out");
  require(!identity || field.channels == field.dims, "gradient", "field", field, "one component per axis");
  dispatch(field, "gradient", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_channel_groups<D>(field.channels, [&](auto group, std::int64_t first) {
      for_each_voxel(grid_of(field), queue,
                     Gradient<T, D, decltype(group)::value>{view<const T>(field, first), view<T>(out, first * D),
                                                            extent_of(field), identity, faces});
    });
  });
}

void gradient_transpose(const Field& matrices, const Field& out, Faces faces, const Queue& queue) {
  require_like(matrices, out, out.channels * out.dims, "gradient_transpose", "matrices");
  dispatch(matrices, "gradient_transpose", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_channel_groups<D>(out.channels, [&](auto group, std::int64_t first) {
      for_each_voxel(grid_of(out), queue,
                     GradientTransposed<T, D, decltype(group)::value>{view<const T>(matrices, first * D),
                                                                      view<T>(out, first), extent_of(out), faces});
    });
  });
}

void divergence(const Field& field, const Field& out, Faces faces, const Queue& queue) {
  require_vectors(field, "divergence", "field");
  require_like(out, field, 1, "divergence", "out");
  dispatch(field, "divergence", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(field), queue,
                   Divergence<T, decltype(dims)::value>{view<const T>(field), view<T>(out), extent_of(field), faces});
  });
}

void divergence_transpose(const Field& field, const Field& out, Faces faces, const Queue& queue) {
  require_vectors(out, "divergence_transpose", "out");
  require_like(field, out, 1, "divergence_transpose", "field");
  dispatch(field, "divergence_transpose", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(
        grid_of(field), queue,
        DivergenceTransposed<T, decltype(dims)::value>{view<const T>(field), view<T>(out), extent_of(field), faces});
  });
}

}  // namespace qs::QS_TARGET
