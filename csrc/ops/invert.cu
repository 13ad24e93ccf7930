// Newton's iteration with the exact derivative of the linear interpolant.
//
// A voxel's iterate lives in registers; each iteration gathers 2^D samples of D components, from cache when the map is
// smooth, so that one launch moves 4 (2 D + 1) bytes per voxel in float32 and is bound by the gathers' arithmetic.
#include "ops/declarations.h"

#include "core/dispatch.h"
#include "core/matrix.h"
#include "core/parallel.h"
#include "core/sampling/footprint.h"

#include <algorithm>
#include <climits>
#include <cmath>

namespace qs::QS_TARGET {

namespace {

// value = u(x + w), jacobian = I + D u(x + w).
template <class T, int D>
QS_HD Matrix<T, D> linearise(const View<const T>& displacement, const Voxel& v, const Extent& e, const T (&w)[D],
                             T (&value)[D]) {
  const auto f = footprint<Mode::linear, Padding::border>(v, w, e);
  Matrix<T, D> j;
  unroll<D>([&](auto c) QS_INLINE {
    T gradient[D] = {};
    value[c] = gather_gradient(displacement.channel(v.batch, c), f, gradient, T(1));
    unroll<D>([&](auto a) QS_INLINE { j.m[c][a] = gradient[a] + (a == c ? T(1) : T(0)); });
  });
  return j;
}

// Where the map folds its Jacobian is not invertible: a plain fixed-point step is taken there.
template <class T>
QS_HD T reciprocal_or(T determinant, T otherwise) {
  const T magnitude = determinant < T(0) ? -determinant : determinant;
  return magnitude > T(1e-6) ? T(1) / determinant : otherwise;
}

// One evaluation per step, at w, which lies a trial step from base: a trial that lowers the residual becomes the next
// base, any other is halved. Where u is steep whole steps leap from cell to cell and never come to rest.
template <class T, int D>
struct Newton {
  struct State {
    T w[D], base[D];
    T norm;  // the squared residual at base
    bool done;
  };
  View<const T> displacement;
  View<T> inverse, residual;
  Extent extent;
  T tolerance;

  QS_HD State start(const Voxel& v) const {
    State s;
    unroll<D>([&](auto c) QS_INLINE { s.w[c] = s.base[c] = -displacement.at(v, c); });
    s.norm = T(INFINITY);
    s.done = false;
    return s;
  }

  QS_HD void step(const Voxel& v, State& s) const {
    T r[D], descent[D], norm = T(0);
    const Matrix<T, D> j = linearise(displacement, v, extent, s.w, r);
    unroll<D>([&](auto c) QS_INLINE {
      r[c] += s.w[c];
      norm += r[c] * r[c];
    });
    s.done = norm <= tolerance * tolerance;
    const bool lower = !(norm >= s.norm);
    const Matrix<T, D> c = cofactor(j);
    const T scale = reciprocal_or(determinant(j, c), T(0));
    multiply_transposed(c, r, descent);
    s.norm = lower ? norm : s.norm;
    const bool moves = lower && !s.done;
    unroll<D>([&](auto i) QS_INLINE {
      const T move = scale == T(0) ? r[i] : scale * descent[i];
      s.base[i] = lower ? s.w[i] : s.base[i];
      s.w[i] = moves ? s.w[i] - move : T(0.5) * (s.base[i] + s.w[i]);
    });
  }

  QS_HD void finish(const Voxel& v, const State& s) const {
    unroll<D>([&](auto c) QS_INLINE { inverse.at(v, c) = s.base[c]; });
    residual.at(v, 0) = square_root(s.norm);
  }
};

template <class T, int D>
struct InverseGradient {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> displacement, inverse, grad;
  View<T> out;
  Extent extent;

  QS_HD void operator()(const Voxel& v) const {
    T w[D], g[D], u[D], solved[D];
    load_vector(inverse, v, w);
    load_vector(grad, v, g);
    const Matrix<T, D> j = linearise(displacement, v, extent, w, u);
    const Matrix<T, D> c = cofactor(j);
    multiply(c, g, solved);  // det J J^-T g
    const T scale = reciprocal_or(determinant(j, c), T(0));
    unroll<D>([&](auto i) QS_INLINE { out.at(v, i) = scale * solved[i]; });
  }
};

}  // namespace

void invert(const Field& displacement, const Field& inverse, const Field& residual, int iterations, double tolerance,
            const Queue& queue) {
  require_vectors(displacement, "invert", "displacement");
  require_samples(displacement, 2, "invert", "displacement");
  require_like(inverse, displacement, displacement.dims, "invert", "inverse");
  require_like(residual, displacement, 1, "invert", "residual");
  const int evaluations = std::min(iterations, INT_MAX - 1) + 1;  // the last one judges the step before it
  dispatch(displacement, "invert", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    iterate_voxels(grid_of(displacement), evaluations, queue,
                   Newton<T, D>{view<const T>(displacement), view<T>(inverse), view<T>(residual),
                                extent_of(displacement), static_cast<T>(tolerance)});
  });
}

void invert_gradient(const Field& displacement, const Field& inverse, const Field& grad, const Field& out,
                     const Queue& queue) {
  constexpr const char* op = "invert_gradient";
  require_vectors(displacement, op, "displacement");
  require_like(inverse, displacement, displacement.dims, op, "inverse");
  require_like(grad, displacement, displacement.dims, op, "grad");
  require_like(out, displacement, displacement.dims, op, "out");
  dispatch(displacement, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(displacement), queue,
                   InverseGradient<T, D>{view<const T>(displacement), view<const T>(inverse), view<const T>(grad),
                                         view<T>(out), extent_of(displacement)});
  });
}

}  // namespace qs::QS_TARGET
