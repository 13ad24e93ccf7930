// (D psi)_ca = D_a (x_c + u_c), central differences inside and the faces' rule on the first and last sample.
//
// Each voxel reads 2 D neighbours of D components, all but one plane of them from cache: 4 (D + 1) bytes per voxel in
// float32 for the determinant (16 in 3-D), which bounds it.
#include "ops/declarations.h"

#include "core/dispatch.h"
#include "core/parallel.h"
#include "core/stencil.h"

namespace qs::QS_TARGET {

namespace {

template <class T, int D>
struct Determinant {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> displacement;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    out.at(v, 0) = determinant(jacobian<T, D>(displacement, v, extent, faces));
  }
};

template <class T, int D>
struct DeterminantGradient {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> displacement, grad;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    const Matrix<T, D> c = cofactor(jacobian<T, D>(displacement, v, extent, faces));
    const T g = grad.at(v, 0);
    unroll<D>([&](auto i) QS_INLINE { unroll<D>([&](auto a) QS_INLINE { out.at(v, i * D + a) = g * c.m[i][a]; }); });
  }
};

}  // namespace

void jacobian_determinant(const Field& displacement, const Field& out, Faces faces, const Queue& queue) {
  require_vectors(displacement, "jacobian_determinant", "displacement");
  require_like(out, displacement, 1, "jacobian_determinant", "out");
  dispatch(displacement, "jacobian_determinant", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(displacement), queue,
                   Determinant<T, D>{view<const T>(displacement), view<T>(out), extent_of(displacement), faces});
  });
}

void jacobian_determinant_gradient(const Field& displacement, const Field& grad, const Field& out, Faces faces,
                                   const Queue& queue) {
  constexpr const char* op = "jacobian_determinant_gradient";
  require_vectors(displacement, op, "displacement");
  require_like(grad, displacement, 1, op, "grad");
  require_like(out, displacement, displacement.dims * displacement.dims, op, "out");
  dispatch(displacement, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(displacement), queue,
                   DeterminantGradient<T, D>{view<const T>(displacement), view<const T>(grad), view<T>(out),
                                             extent_of(displacement), faces});
  });
}

}  // namespace qs::QS_TARGET
