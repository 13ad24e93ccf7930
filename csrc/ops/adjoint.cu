// Ad*_psi m = det(D psi) (D psi)^T (m o psi), ad_v w = D v w - D w v and the transpose of the latter in w, each in one
// pass.
//
// Each voxel reads the 2 D neighbours of what is differentiated (from cache but for one plane) and, for Ad*, 2^D
// samples of each component of m: 4 * 3 D bytes per voxel in float32 (36 in 3-D), which bounds them.
#include "ops/declarations.h"

#include <algorithm>

#include "core/dispatch.h"
#include "core/parallel.h"
#include "core/sampling/footprint.h"
#include "core/sampling/linear_block.h"
#include "core/stencil.h"

namespace qs::QS_TARGET {

namespace {

template <class T, int D>
struct AdStar {
  static constexpr Loop loop = Loop::blocks;
  View<const T> momentum, displacement;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], m[D];
    load_vector(displacement, v, u);
    const auto f = footprint<Mode::linear, Padding::zeros>(v, u, extent);
    unroll<D>([&](auto c) QS_INLINE { m[c] = gather(momentum.channel(v.batch, c), f); });
    transport(v, m);
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> pulled;
    unroll<D>([&](auto c) QS_INLINE { std::copy_n(&displacement.at(v, c), count, pulled[c]); });
    gather_vectors<Padding::zeros, T, D>(momentum, v, count, extent, pulled, pulled);
    QS_VECTORISE
    for (int k = 0; k < count; ++k) {
      T m[D];
      unroll<D>([&](auto c) QS_INLINE { m[c] = pulled[c][k]; });
      transport(v.next(k), m);
    }
  }

 private:
  // out = det(D psi) (D psi)^T m.
  QS_HD void transport(const Voxel& v, const T (&m)[D]) const {
    T n[D];
    const Matrix<T, D> j = jacobian<T, D>(displacement, v, extent, faces);
    multiply_transposed(j, m, n);
    const T det = determinant(j);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = det * n[c]; });
  }
};

template <class T, int D>
struct AdStarGradient {
  static constexpr Loop loop = Loop::blocks;
  View<const T> momentum, displacement, grad;
  View<T> pulled, matrices, direct;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], m[D], slope[D][D] = {};
    load_vector(displacement, v, u);
    const auto f = footprint<Mode::linear, Padding::zeros>(v, u, extent);
    unroll<D>([&](auto i) QS_INLINE { m[i] = gather_gradient(momentum.channel(v.batch, i), f, slope[i], T(1)); });
    pull_back(v, m, slope);
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> pulled_momentum, slopes[D];
    LinearBlock<T, D, true> footprints(extent);
    set_footprints<Mode::linear, Padding::zeros>(footprints, displacement, v, count, extent);
    for (int k = 0; k < count; k += Packet<T>::size) {
      unroll<D>([&](auto i) QS_INLINE {
        Packet<T> slope[D];
        footprints.linearise(momentum.channel(v.batch, i), k, slope).store(pulled_momentum[i] + k);
        unroll<D>([&](auto a) QS_INLINE { slope[a].store(slopes[i][a] + k); });
      });
    }
    QS_VECTORISE
    for (int k = 0; k < count; ++k) {
      T m[D], slope[D][D];
      unroll<D>([&](auto i) QS_INLINE {
        m[i] = pulled_momentum[i][k];
        unroll<D>([&](auto a) QS_INLINE { slope[i][a] = slopes[i][a][k]; });
      });
      pull_back(v.next(k), m, slope);
    }
  }

 private:
  // From m o psi and its derivatives.
  QS_HD void pull_back(const Voxel& v, const T (&m)[D], const T (&slope)[D][D]) const {
    T g[D], h[D], gradient[D] = {};
    load_in_place(grad, v, g);
    const Matrix<T, D> j = jacobian<T, D>(displacement, v, extent, faces);
    const Matrix<T, D> c = cofactor(j);
    const T det = determinant(j, c);
    multiply(j, g, h);  // (D psi) g
    T dot = T(0);
    unroll<D>([&](auto i) QS_INLINE {
      dot += h[i] * m[i];
      pulled.at(v, i) = det * h[i];
      unroll<D>([&](auto a) QS_INLINE { gradient[a] += det * h[i] * slope[i][a]; });
    });
    unroll<D>([&](auto i) QS_INLINE {
      direct.at(v, i) = gradient[i];
      unroll<D>([&](auto a) QS_INLINE { matrices.at(v, i * D + a) = det * m[i] * g[a] + dot * c.m[i][a]; });
    });
  }
};

template <class T, int D>
struct Bracket {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> velocity, other;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    T a[D], b[D], first[D], second[D];
    load_vector(velocity, v, a);
    load_vector(other, v, b);
    multiply(derivative<T, D>(velocity, v, extent, faces), b, first);
    multiply(derivative<T, D>(other, v, extent, faces), a, second);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = first[c] - second[c]; });
  }
};

// out_a = sum_c (D_a v_c) m_c - sum_b D_b^T (v_b m_a).
template <class T, int D>
struct BracketTransposed {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> velocity, momentum;
  View<T> out;
  Extent extent;
  Faces faces;

  QS_HD void operator()(const Voxel& v) const {
    T m[D], sum[D];
    load_vector(momentum, v, m);
    multiply_transposed(derivative<T, D>(velocity, v, extent, faces), m, sum);
    unroll<D>([&](auto a) QS_INLINE {
      const T* const values = momentum.channel(v.batch, a);
      unroll<D>([&](auto b) QS_INLINE {
        const T* const speed = velocity.channel(v.batch, b);
        const auto flux = [&](int offset) QS_INLINE { return speed[offset] * values[offset]; };
        sum[a] -= difference_transposed<T, D>(flux, v, extent, b, faces);
      });
      out.at(v, a) = sum[a];
    });
  }
};

// Three vector fields on one grid.
void check_vectors(const Field& velocity, const Field& other, const Field& out, const char* op, const char* argument) {
  require_vectors(velocity, op, "velocity");
  require_like(other, velocity, velocity.dims, op, argument);
  require_like(out, velocity, velocity.dims, op, "out");
}

}  // namespace

void ad(const Field& velocity, const Field& other, const Field& out, Faces faces, const Queue& queue) {
  check_vectors(velocity, other, out, "ad", "other");
  dispatch(velocity, "ad", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(velocity), queue,
                   Bracket<T, decltype(dims)::value>{view<const T>(velocity), view<const T>(other), view<T>(out),
                                                     extent_of(velocity), faces});
  });
}

void ad_star(const Field& velocity, const Field& momentum, const Field& out, Faces faces, const Queue& queue) {
  check_vectors(velocity, momentum, out, "ad_star", "momentum");
  dispatch(velocity, "ad_star", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(velocity), queue,
                   BracketTransposed<T, decltype(dims)::value>{view<const T>(velocity), view<const T>(momentum),
                                                               view<T>(out), extent_of(velocity), faces});
  });
}

void Ad_star(const Field& momentum, const Field& displacement, const Field& out, Faces faces, const Queue& queue) {
  require_vectors(displacement, "Ad_star", "displacement");
  require_samples(displacement, 2, "Ad_star", "displacement");
  require_like(momentum, displacement, displacement.dims, "Ad_star", "momentum");
  require_like(out, displacement, displacement.dims, "Ad_star", "out");
  dispatch(displacement, "Ad_star", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(displacement), queue,
                   AdStar<T, D>{view<const T>(momentum), view<const T>(displacement), view<T>(out),
                                extent_of(displacement), faces});
  });
}

void Ad_star_gradient(const Field& momentum, const Field& displacement, const Field& grad, const Field& pulled,
                      const Field& matrices, const Field& direct, Faces faces, const Queue& queue) {
  constexpr const char* op = "Ad_star_gradient";
  const int dims = displacement.dims;
  require_vectors(displacement, op, "displacement");
  require_like(momentum, displacement, dims, op, "momentum");
  require_like(grad, displacement, dims, op, "grad");
  require_like(pulled, displacement, dims, op, "pulled");
  require_like(matrices, displacement, dims * dims, op, "matrices");
  require_like(direct, displacement, dims, op, "direct");
  dispatch(displacement, op, [&](auto scalar, auto dims_tag) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims_tag)::value;
    for_each_voxel(
        grid_of(displacement), queue,
        AdStarGradient<T, D>{view<const T>(momentum), view<const T>(displacement), view<const T>(grad), view<T>(pulled),
                             view<T>(matrices), view<T>(direct), extent_of(displacement), faces});
  });
}

}  // namespace qs::QS_TARGET
