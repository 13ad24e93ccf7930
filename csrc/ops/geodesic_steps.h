// One step in time of the maps of a geodesic, w the velocity of the step, in voxels per unit of time:
//
//   advance   d = -dt w(x - dt/2 w(x)),  psi_next = d + psi(x + d)
//   follow    phi_next = phi + dt w(x + phi + dt/2 w(x + phi))
//
// w linear, psi linear or cubic, both continued by their borders: a velocity that ended on the faces would fold maps
// there. What lies between stays in registers: 36 bytes per voxel each in 3-D float32 (two vector fields read, one
// written). They bound follow; the 4^D D samples of a cubic psi bind advance to the first-level cache. The transposed
// steps are a pointwise kernel, which leaves what to scatter and where to in workspace (96 bytes for advance, 84 for
// follow), and two splats of 36 bytes, bound by their additions.
#pragma once

#include <algorithm>

#include "core/parallel.h"
#include "core/sampling/footprint.h"
#include "core/sampling/linear_block.h"

namespace qs::QS_TARGET {

constexpr Sampling velocity_sampling{Mode::linear, Padding::border};

template <class T, int D>
QS_HD Footprint<T, D, 2> velocity_footprint(const Voxel& v, const T (&u)[D], const Extent& e) {
  return footprint<velocity_sampling.mode, velocity_sampling.padding>(v, u, e);
}

// -dt/2 w(x).
template <class T, int D>
QS_HD void half_back(const View<const T>& velocity, const Voxel& v, T dt, T (&back)[D]) {
  load_vector(velocity, v, back);
  unroll<D>([&](auto c) QS_INLINE { back[c] *= T(-0.5) * dt; });
}

// d(x) = -dt w(x - dt/2 w(x)).
template <class T, int D>
QS_HD void foot_at(const View<const T>& velocity, const Voxel& v, const Extent& e, T dt, T (&d)[D]) {
  T back[D];
  half_back(velocity, v, dt, back);
  const auto f = velocity_footprint(v, back, e);
  unroll<D>([&](auto c) QS_INLINE { d[c] = -dt * gather(velocity.channel(v.batch, c), f); });
}

template <class T, int D, class S>
struct Advance {
  static constexpr Loop loop = Loop::blocks;
  View<const T> velocity, psi;
  View<T> out;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T d[D];
    foot_at(velocity, v, extent, dt, d);
    compose(v, d);
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> foot;
    unroll<D>([&](auto c) QS_INLINE {
      for (int k = 0; k < count; ++k) {
        foot[c][k] = T(-0.5) * dt * velocity.at(v.next(k), c);
      }
    });
    gather_vectors<velocity_sampling.padding, T, D>(velocity, v, count, extent, foot, foot);
    unroll<D>([&](auto c) QS_INLINE {
      for (int k = 0; k < count; ++k) {
        foot[c][k] *= -dt;
      }
    });
    if constexpr (S::mode == Mode::linear) {
      VectorBlock<T, D> there;
      gather_vectors<S::padding, T, D>(psi, v, count, extent, foot, there);
      unroll<D>([&](auto c) QS_INLINE {
        for (int k = 0; k < count; ++k) {
          out.at(v.next(k), c) = foot[c][k] + there[c][k];
        }
      });
    } else {
      for (int k = 0; k < count; ++k) {
        T d[D];
        unroll<D>([&](auto c) QS_INLINE { d[c] = foot[c][k]; });
        compose(v.next(k), d);
      }
    }
  }

 private:
  // out = d + psi(x + d).
  QS_HD void compose(const Voxel& v, const T (&d)[D]) const {
    const auto f = footprint<S::mode, S::padding>(v, d, extent);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = d[c] + gather(psi.channel(v.batch, c), f); });
  }
};

// Two stages, because on the CPU a linear gather vectorises across voxels and a cubic one does not. State: the
// foot, then the cotangent of the foot.
template <class T, int D, class S>
struct AdvanceGradient {
  struct State {
    T u[D];
    bool done;
  };
  View<const T> velocity, psi, grad;
  View<T> foot, back, pulled, to_psi, to_velocity;
  Extent extent;
  T dt;

  QS_HD State start(const Voxel& v) const {
    State s;
    foot_at(velocity, v, extent, dt, s.u);
    unroll<D>([&](auto c) QS_INLINE {
      foot.at(v, c) = s.u[c];
      to_psi.at(v, c) = T(0);
    });
    s.done = false;
    return s;
  }

  QS_HD void step(const Voxel& v, State& s) const {
    const auto f = footprint<S::mode, S::padding>(v, s.u, extent);
    load_vector(grad, v, s.u);
    unroll<D>([&](auto c) QS_INLINE { gather_gradient(psi.channel(v.batch, c), f, s.u, grad.at(v, c)); });
    s.done = true;
  }

  QS_HD void finish(const Voxel& v, const State& s) const {
    T q[D], slope[D] = {};
    half_back(velocity, v, dt, q);
    const auto f = velocity_footprint(v, q, extent);
    unroll<D>([&](auto c) QS_INLINE {
      const T g = -dt * s.u[c];
      gather_gradient(velocity.channel(v.batch, c), f, slope, g);
      pulled.at(v, c) = g;
    });
    unroll<D>([&](auto c) QS_INLINE {
      back.at(v, c) = q[c];
      to_velocity.at(v, c) = T(-0.5) * dt * slope[c];
    });
  }
};

template <class T, int D>
struct Follow {
  static constexpr Loop loop = Loop::blocks;
  View<const T> velocity, phi;
  View<T> out;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], middle[D];
    load_in_place(phi, v, u);
    const auto start = velocity_footprint(v, u, extent);
    unroll<D>([&](auto c) QS_INLINE { middle[c] = u[c] + T(0.5) * dt * gather(velocity.channel(v.batch, c), start); });
    const auto f = velocity_footprint(v, middle, extent);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = u[c] + dt * gather(velocity.channel(v.batch, c), f); });
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> at;
    unroll<D>([&](auto c) QS_INLINE { std::copy_n(&phi.at(v, c), count, at[c]); });
    step_from(v, count, T(0.5) * dt, at);
    step_from(v, count, dt, at);
    unroll<D>([&](auto c) QS_INLINE { std::copy_n(at[c], count, &out.at(v, c)); });
  }

 private:
  // at = phi + step w(x + at). It may be out's own phi: all of the block is read before any of it is written.
  QS_HD void step_from(const Voxel& v, int count, T step, VectorBlock<T, D>& at) const {
    gather_vectors<velocity_sampling.padding, T, D>(velocity, v, count, extent, at, at);
    unroll<D>([&](auto c) QS_INLINE {
      for (int k = 0; k < count; ++k) {
        at[c][k] = phi.at(v.next(k), c) + step * at[c][k];
      }
    });
  }
};

template <class T, int D>
struct FollowGradient {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> velocity, phi;
  View<T> grad, middle, at_middle, at_phi;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], m[D], g[D], slope[D] = {};
    load_vector(phi, v, u);
    const auto start = velocity_footprint(v, u, extent);
    unroll<D>([&](auto c) QS_INLINE { m[c] = u[c] + T(0.5) * dt * gather(velocity.channel(v.batch, c), start); });
    const auto f = velocity_footprint(v, m, extent);
    unroll<D>([&](auto c) QS_INLINE {
      g[c] = grad.at(v, c);
      gather_gradient(velocity.channel(v.batch, c), f, slope, dt * g[c]);
      middle.at(v, c) = m[c];
      at_middle.at(v, c) = dt * g[c];
    });
    unroll<D>([&](auto c) QS_INLINE { g[c] += slope[c]; });
    unroll<D>([&](auto c) QS_INLINE {
      const T pulled = T(0.5) * dt * slope[c];
      gather_gradient(velocity.channel(v.batch, c), start, g, pulled);
      at_phi.at(v, c) = pulled;
    });
    unroll<D>([&](auto c) QS_INLINE { grad.at(v, c) = g[c]; });
  }
};

}  // namespace qs::QS_TARGET
