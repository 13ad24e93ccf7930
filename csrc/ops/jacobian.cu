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

// The edges of a tetrahedron as columns, between corners of the cube whose lowest corner is the voxel.
template <class T, class Edge>
QS_HD T determinant_of(const Edge& edge) {
  Matrix<T, 3> columns;
  unroll<3>([&](auto c) QS_INLINE { unroll<3>([&](auto a) QS_INLINE { columns.m[c][a] = edge(c, a); }); });
  return determinant(columns);
}

// One-sided differences on either side of the voxel. On a face both are those that are there, and along an axis of one
// sample those of the identity: a determinant counts twice, which changes no minimum.
template <class T, int D>
struct SmallestDeterminant {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> displacement;
  View<T> out;
  Extent extent;

  QS_HD void operator()(const Voxel& v) const {
    Matrix<T, D> side[2];
    int up[D];
    bool cube = true;  // the voxel is the lowest corner of one
    unroll<D>([&](auto a) QS_INLINE {
      const int axis = axis_of<D>(a), i = v.x[axis], last = extent.n[axis] - 1, stride = extent.stride(axis);
      const int above = v.offset + (i < last ? stride : 0), below = v.offset - (i > 0 ? stride : 0);
      const int ahead = i < last ? v.offset : below, behind = i > 0 ? v.offset : above;
      up[a] = above - v.offset;
      cube = cube && i < last;
      unroll<D>([&](auto c) QS_INLINE {
        const T* const u = displacement.channel(v.batch, c);
        const T identity = T(a == c ? 1 : 0);
        side[0].m[c][a] = u[behind] - u[below] + identity;
        side[1].m[c][a] = u[above] - u[ahead] + identity;
      });
    });
    T smallest = determinant(side[0]);
    unroll<(1 << D) - 1>([&](auto n) QS_INLINE {
      constexpr int sides = decltype(n)::value + 1;
      Matrix<T, D> chosen;
      unroll<D>([&](auto c)
                    QS_INLINE { unroll<D>([&](auto a) QS_INLINE { chosen.m[c][a] = side[sides >> a & 1].m[c][a]; }); });
      smallest = least(smallest, determinant(chosen));
    });
    if constexpr (D == 3) {
      smallest = least(smallest, cube ? middle(v, up) : smallest);
    }
    out.at(v, 0) = smallest;
  }

  // The two tetrahedra in the middle of the cube, whose determinants are 2 under the identity.
  QS_HD T middle(const Voxel& v, const int (&up)[D]) const {
    const auto corner = [&](int c, int x, int y, int z) QS_INLINE {
      return displacement.channel(v.batch, c)[v.offset + x * up[0] + y * up[1] + z * up[2]];
    };
    const T even = determinant_of<T>([&](int c, int a) QS_INLINE {
      const int x = a != 1, y = a != 2, z = a != 0;
      return corner(c, x, y, z) - corner(c, 0, 0, 0) + T(c == 0 ? x : c == 1 ? y : z);
    });
    const T odd = determinant_of<T>([&](int c, int a) QS_INLINE {
      const int x = a == 1, y = a == 2, z = a == 0;
      return corner(c, 1, 1, 1) - corner(c, x, y, z) + T(1 - (c == 0 ? x : c == 1 ? y : z));
    });
    return least(even, odd);
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
