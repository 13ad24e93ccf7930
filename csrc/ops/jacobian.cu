// (D psi)_ca = D_a (x_c + u_c), central differences inside and the faces' rule on the first and last sample.
//
// Each voxel reads 2 D neighbours of D components, all but one plane of them from cache: 4 (D + 1) bytes per voxel in
// float32 for the determinant (16 in 3-D), which bounds it. The smallest of all one-sided determinants moves as many;
// its 200 operations a voxel bound it on the CPU.
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

// One-sided differences on either side of the voxel. On a face both are those that are there, and along an axis of one
// sample those of the identity: a determinant counts twice, which changes no minimum.
template <class T, int D>
struct SmallestDeterminant {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> displacement;
  View<T> out;
  Extent extent;

  QS_HD void operator()(const Voxel& v) const {
    int below[D], behind[D], ahead[D], above[D];
    int cube = 1;  // whether the voxel is the lowest corner of one
    unroll<D>([&](auto a) QS_INLINE {
      const int axis = axis_of<D>(a), stride = extent.stride(axis);
      const Difference<T> there = difference_at<T>(v.x[axis], extent.n[axis], Faces::one_sided);
      above[a] = v.offset + there.up * stride;
      below[a] = v.offset - there.down * stride;
      ahead[a] = v.offset - (1 - there.up) * there.down * stride;
      behind[a] = v.offset + (1 - there.down) * there.up * stride;
      cube &= there.up;
    });
    Matrix<T, D> before, after;
    unroll<D>([&](auto c) QS_INLINE {
      const T* const u = displacement.channel(v.batch, c);
      unroll<D>([&](auto a) QS_INLINE {
        before.m[c][a] = u[behind[a]] - u[below[a]] + T(a == c ? 1 : 0);
        after.m[c][a] = u[above[a]] - u[ahead[a]] + T(a == c ? 1 : 0);
      });
    });
    T smallest = determinant(before);
    unroll<(1 << D) - 1>([&](auto n) QS_INLINE {
      constexpr int sides = decltype(n)::value + 1;
      Matrix<T, D> chosen;
      unroll<D>([&](auto c) QS_INLINE {
        unroll<D>([&](auto a) QS_INLINE { chosen.m[c][a] = (sides >> a & 1) != 0 ? after.m[c][a] : before.m[c][a]; });
      });
      smallest = least(smallest, determinant(chosen));
    });
    if constexpr (D == 3) {
      const T inside = middle(v, above);  // of neighbours of itself where there is no cube
      smallest = least(smallest, cube != 0 ? inside : smallest);
    }
    out.at(v, 0) = smallest;
  }

  // The two tetrahedra in the middle of the cube above a voxel, whose determinants are 2 under the identity: edges from
  // its lowest corner, and to its highest.
  QS_HD T middle(const Voxel& v, const int (&above)[D]) const {
    const int x = above[0], y = above[1], z = above[2], lowest = v.offset;
    const int xy = x + y - lowest, yz = y + z - lowest, xz = x + z - lowest, highest = xy + z - lowest;
    Matrix<T, 3> low, high;
    unroll<3>([&](auto c) QS_INLINE {
      const T* const u = displacement.channel(v.batch, c);
      const T x_or_y = T(c == 2 ? 0 : 1), y_or_z = T(c == 0 ? 0 : 1), x_or_z = T(c == 1 ? 0 : 1);
      low.m[c][0] = u[xy] - u[lowest] + x_or_y;
      low.m[c][1] = u[yz] - u[lowest] + y_or_z;
      low.m[c][2] = u[xz] - u[lowest] + x_or_z;
      high.m[c][0] = u[highest] - u[z] + x_or_y;
      high.m[c][1] = u[highest] - u[x] + y_or_z;
      high.m[c][2] = u[highest] - u[y] + x_or_z;
    });
    return least(determinant(low), determinant(high));
  }

  QS_HD static T least(T a, T b) { return b < a ? b : a; }
};

}  // namespace

void smallest_determinant(const Field& displacement, const Field& out, const Queue& queue) {
  require_vectors(displacement, "smallest_determinant", "displacement");
  require_like(out, displacement, 1, "smallest_determinant", "out");
  dispatch(displacement, "smallest_determinant", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(displacement), queue,
                   SmallestDeterminant<T, D>{view<const T>(displacement), view<T>(out), extent_of(displacement)});
  });
}

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
