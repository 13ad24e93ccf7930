// One step in time of the maps of a geodesic, w the velocity of the step, in voxels per unit of time:
//
//   advance   d = -dt w(x - dt/2 w(x)),  psi_next = d + psi(x + d)
//   follow    phi_next = phi + dt w(x + phi + dt/2 w(x + phi))
//
// w linear, psi linear or cubic, both continued by their borders: a velocity that ended on the faces would fold maps
// there. What is gathered, w and psi, is interleaved (core/sampling/vectors.h); what lies between stays in registers:
// 44 bytes per voxel for advance in 3-D float32 (two interleaved fields read, one written), 40 for follow. They bound
// follow; the 4^D samples of a cubic psi bind advance to the first-level cache. The transposed steps are a pointwise
// kernel, which leaves what to scatter and where to in workspace (104 bytes for advance, 88 for follow), and two splats
// of 36 bytes, bound by their additions.
//
//   interleave   out = field + beyond (field - before), the components of each voxel together: 40 bytes, 28 where
//                before is the field itself
#pragma once

#include <algorithm>

#include "core/parallel.h"
#include "core/sampling/vectors.h"

namespace qs::QS_TARGET {

constexpr Sampling velocity_sampling{Mode::linear, Padding::border};

template <class T, int D>
QS_HD Footprint<T, D, 2> velocity_footprint(const Voxel& v, const T (&u)[D], const Extent& e) {
  return footprint<velocity_sampling.mode, velocity_sampling.padding>(v, u, e);
}

template <class Block, class U>
QS_HD void set_velocity_footprints(Block& block, const U& u, const Voxel& v, int count, const Extent& e) {
  set_footprints<velocity_sampling.mode, velocity_sampling.padding>(block, u, v, count, e);
}

// f(c, k) for every number of a block of vectors.
template <int D, class F>
QS_HD void each_number(int count, F&& f) {
  unroll<D>([&](auto c) QS_INLINE {
    for (int k = 0; k < count; ++k) {
      f(c, k);
    }
  });
}

// field = factor block, for `count` voxels from v on.
template <class T, int D>
QS_HD void store(const View<T>& field, const Voxel& v, int count, const T (&block)[D][block_width], T factor = T(1)) {
  each_number<D>(count, [&](auto c, int k) QS_INLINE { field.at(v.next(k), c) = factor * block[c][k]; });
}

template <class T, int D>
struct Interleave {
  static constexpr Loop loop = Loop::vectorised;
  View<const T> field, before;
  Vectors<T, D> out;
  T beyond;

  QS_HD void operator()(const Voxel& v) const {
    Sample<T, D> sample{};
    unroll<D>([&](auto c) QS_INLINE {
      const T here = field.at(v, c);
      sample.x[c] = here + beyond * (here - before.at(v, c));
    });
    *reinterpret_cast<Sample<T, D>*>(out.at(v)) = sample;
  }
};

// -dt/2 w(x).
template <class T, int D>
QS_HD void half_back(const Vectors<const T, D>& velocity, const Voxel& v, T dt, T (&back)[D]) {
  load_vector(velocity, v, back);
  unroll<D>([&](auto c) QS_INLINE { back[c] *= T(-0.5) * dt; });
}

// d(x) = -dt w(x - dt/2 w(x)).
template <class T, int D>
QS_HD void foot_at(const Vectors<const T, D>& velocity, const Voxel& v, const Extent& e, T dt, T (&d)[D]) {
  T back[D];
  half_back(velocity, v, dt, back);
  const auto f = velocity_footprint(v, back, e);
  gather(velocity.entry(v.batch), f, d);
  unroll<D>([&](auto c) QS_INLINE { d[c] *= -dt; });
}

// The same by blocks on the CPU: back, and the footprints there; d.
template <class T, int D, class Block>
QS_HD void half_back_block(const Vectors<const T, D>& velocity, const Voxel& v, int count, const Extent& e, T dt,
                           VectorBlock<T, D>& back, Block& footprints) {
  const T* const here = velocity.at(v);
  each_number<D>(count, [&](auto c, int k) QS_INLINE { back[c][k] = T(-0.5) * dt * here[lanes<D> * k + c]; });
  set_velocity_footprints(footprints, back, v, count, e);
}

template <class T, int D, class Block>
QS_HD void foot_block(const Vectors<const T, D>& velocity, const Voxel& v, int count, T dt, const Block& half_back,
                      VectorBlock<T, D>& d) {
  gather_block(velocity.entry(v.batch), half_back, count, d);
  each_number<D>(count, [&](auto c, int k) QS_INLINE { d[c][k] *= -dt; });
}

template <class T, int D, class S>
struct Advance {
  static constexpr Loop loop = Loop::blocks;
  Vectors<const T, D> velocity, psi;
  View<T> out;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T d[D], there[D];
    foot_at(velocity, v, extent, dt, d);
    gather(psi.entry(v.batch), footprint<S::mode, S::padding>(v, d, extent), there);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = d[c] + there[c]; });
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> foot, there;
    FootprintBlock<T, D, 2, false> half_back(extent);
    half_back_block(velocity, v, count, extent, dt, there, half_back);
    foot_block(velocity, v, count, dt, half_back, foot);
    FootprintBlock<T, D, S::taps, false> at_foot(extent);
    set_footprints<S::mode, S::padding>(at_foot, foot, v, count, extent);
    gather_block(psi.entry(v.batch), at_foot, count, there);
    each_number<D>(count, [&](auto c, int k) QS_INLINE { out.at(v.next(k), c) = foot[c][k] + there[c][k]; });
  }
};

template <class T, int D, class S>
struct AdvanceGradient {
  static constexpr Loop loop = Loop::blocks;
  Vectors<const T, D> velocity, psi;
  View<const T> grad;
  View<T> foot, back, pulled, to_psi, to_velocity;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], g[D], to_foot[D] = {}, to_back[D] = {};
    foot_at(velocity, v, extent, dt, u);
    load_vector(grad, v, g);
    gather_gradient(psi.entry(v.batch), footprint<S::mode, S::padding>(v, u, extent), to_foot, g);
    unroll<D>([&](auto c) QS_INLINE {
      foot.at(v, c) = u[c];
      to_psi.at(v, c) = T(0);
      g[c] = -dt * (g[c] + to_foot[c]);
    });
    half_back(velocity, v, dt, u);
    gather_gradient(velocity.entry(v.batch), velocity_footprint(v, u, extent), to_back, g);
    unroll<D>([&](auto c) QS_INLINE {
      back.at(v, c) = u[c];
      pulled.at(v, c) = g[c];
      to_velocity.at(v, c) = T(-0.5) * dt * to_back[c];
    });
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> u, g, slope;
    FootprintBlock<T, D, 2, true> half_back(extent);
    half_back_block(velocity, v, count, extent, dt, u, half_back);
    store(back, v, count, u);
    foot_block(velocity, v, count, dt, half_back, u);
    store(foot, v, count, u);
    FootprintBlock<T, D, S::taps, true> at_foot(extent);
    set_footprints<S::mode, S::padding>(at_foot, u, v, count, extent);
    unroll<D>([&](auto c) QS_INLINE {
      std::copy_n(&grad.at(v, c), count, g[c]);
      std::fill_n(&to_psi.at(v, c), count, T(0));
    });
    gather_gradient_block(psi.entry(v.batch), at_foot, count, g, slope);
    each_number<D>(count, [&](auto c, int k) QS_INLINE { g[c][k] = -dt * (g[c][k] + slope[c][k]); });
    store(pulled, v, count, g);
    gather_gradient_block(velocity.entry(v.batch), half_back, count, g, slope);
    store(to_velocity, v, count, slope, T(-0.5) * dt);
  }
};

template <class T, int D>
struct Follow {
  static constexpr Loop loop = Loop::blocks;
  Vectors<const T, D> velocity;
  View<const T> phi;
  View<T> out;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], w[D], middle[D];
    load_in_place(phi, v, u);
    gather(velocity.entry(v.batch), velocity_footprint(v, u, extent), w);
    unroll<D>([&](auto c) QS_INLINE { middle[c] = u[c] + T(0.5) * dt * w[c]; });
    gather(velocity.entry(v.batch), velocity_footprint(v, middle, extent), w);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = u[c] + dt * w[c]; });
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
    FootprintBlock<T, D, 2, false> footprints(extent);
    set_velocity_footprints(footprints, at, v, count, extent);
    gather_block(velocity.entry(v.batch), footprints, count, at);
    each_number<D>(count, [&](auto c, int k) QS_INLINE { at[c][k] = phi.at(v.next(k), c) + step * at[c][k]; });
  }
};

template <class T, int D>
struct FollowGradient {
  static constexpr Loop loop = Loop::blocks;
  Vectors<const T, D> velocity;
  View<const T> phi;
  View<T> grad, middle, at_middle, at_phi;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], w[D], m[D], g[D], pulled[D], slope[D] = {};
    const T* const values = velocity.entry(v.batch);
    load_vector(phi, v, u);
    const auto start = velocity_footprint(v, u, extent);
    gather(values, start, w);
    unroll<D>([&](auto c) QS_INLINE {
      m[c] = u[c] + T(0.5) * dt * w[c];
      g[c] = grad.at(v, c);
      pulled[c] = dt * g[c];
      middle.at(v, c) = m[c];
      at_middle.at(v, c) = pulled[c];
    });
    gather_gradient(values, velocity_footprint(v, m, extent), slope, pulled);
    unroll<D>([&](auto c) QS_INLINE {
      g[c] += slope[c];
      pulled[c] = T(0.5) * dt * slope[c];
      at_phi.at(v, c) = pulled[c];
    });
    gather_gradient(values, start, g, pulled);
    unroll<D>([&](auto c) QS_INLINE { grad.at(v, c) = g[c]; });
  }

  QS_HD void block(const Voxel& v, int count) const {
    VectorBlock<T, D> m, g, slope;
    const T* const values = velocity.entry(v.batch);
    FootprintBlock<T, D, 2, true> start(extent), halfway(extent);
    set_velocity_footprints(start, phi, v, count, extent);
    gather_block(values, start, count, m);
    each_number<D>(count, [&](auto c, int k) QS_INLINE {
      m[c][k] = phi.at(v.next(k), c) + T(0.5) * dt * m[c][k];
      g[c][k] = dt * grad.at(v.next(k), c);
    });
    store(middle, v, count, m);
    store(at_middle, v, count, g);
    set_velocity_footprints(halfway, m, v, count, extent);
    gather_gradient_block(values, halfway, count, g, slope);
    add_to_gradient(v, count, slope);
    each_number<D>(count, [&](auto c, int k) QS_INLINE { g[c][k] = T(0.5) * dt * slope[c][k]; });
    store(at_phi, v, count, g);
    gather_gradient_block(values, start, count, g, slope);
    add_to_gradient(v, count, slope);
  }

 private:
  QS_HD void add_to_gradient(const Voxel& v, int count, const VectorBlock<T, D>& slope) const {
    each_number<D>(count, [&](auto c, int k) QS_INLINE { grad.at(v.next(k), c) += slope[c][k]; });
  }
};

}  // namespace qs::QS_TARGET
