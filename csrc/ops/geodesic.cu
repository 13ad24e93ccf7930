// One step in time of the maps of a geodesic, w the velocity of the step, in voxels per unit of time:
//
//   advance   d = -dt w(x - dt/2 w(x)),  psi_next = d + psi(x + d)
//   follow    phi_next = phi + dt w(x + phi + dt/2 w(x + phi))
//
// w linear and zero outside, psi linear or cubic and continued by its border. What lies between stays in registers: 36
// bytes per voxel each in 3-D float32 (two vector fields read, one written). They bound follow; the 4^D D samples of a
// cubic psi bind advance to the first-level cache. The transposed steps are a pointwise kernel, which leaves what to
// scatter and where to in workspace (96 bytes for advance, 84 for follow), and two splats of 36 bytes, bound by their
// additions. update_inverse, PyCA's UpdateInverse for rk4: two dependent gathers per iteration, 36 bytes.
#include "ops/geodesic.h"

#include <initializer_list>

#include "core/footprint.h"
#include "core/parallel.h"
#include "core/sampling.h"
#include "ops/splat.h"

namespace qs::QS_TARGET {
namespace {

constexpr Sampling velocity_sampling{Mode::linear, Padding::zeros};

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

// Two stages, because on the processor a linear gather vectorises across voxels and a cubic one does not.
template <class T, int D, class S>
struct Advance {
  struct State {
    T u[D];
    bool done;
  };
  View<const T> velocity, psi;
  View<T> out;
  Extent extent;
  T dt;

  QS_HD State start(const Voxel& v) const {
    State s;
    foot_at(velocity, v, extent, dt, s.u);
    s.done = false;
    return s;
  }

  QS_HD void step(const Voxel& v, State& s) const {
    const auto f = footprint<S::mode, S::padding>(v, s.u, extent);
    unroll<D>([&](auto c) QS_INLINE { s.u[c] += gather(psi.channel(v.batch, c), f); });
    s.done = true;
  }

  QS_HD void finish(const Voxel& v, const State& s) const {
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = s.u[c]; });
  }
};

// State: the foot, then the cotangent of the foot.
template <class T, int D, class S>
struct AdvanceGradient {
  using State = typename Advance<T, D, S>::State;
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
  static constexpr Loop loop = Loop::vectorised;
  View<const T> velocity, phi;
  View<T> out;
  Extent extent;
  T dt;

  QS_HD void operator()(const Voxel& v) const {
    T u[D], middle[D];
    load_vector(phi, v, u);
    const auto start = velocity_footprint(v, u, extent);
    unroll<D>([&](auto c) QS_INLINE { middle[c] = u[c] + T(0.5) * dt * gather(velocity.channel(v.batch, c), start); });
    const auto f = velocity_footprint(v, middle, extent);
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = u[c] + dt * gather(velocity.channel(v.batch, c), f); });
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

template <class T, int D, Padding P>
struct UpdateInverse {
  struct State {
    T q[D];
    bool done;
  };
  View<const T> inverse, increment;
  View<T> out;
  Extent extent;
  T tolerance;

  QS_HD State start(const Voxel& v) const {
    State s;
    load_vector(inverse, v, s.q);
    s.done = false;
    return s;
  }

  QS_HD void step(const Voxel& v, State& s) const {
    T back[D], moved = T(0);
    const auto at_q = footprint<Mode::linear, Padding::zeros>(v, s.q, extent);
    unroll<D>([&](auto c) QS_INLINE { back[c] = -gather(increment.channel(v.batch, c), at_q); });
    const auto at_back = footprint<Mode::linear, P>(v, back, extent);
    unroll<D>([&](auto c) QS_INLINE {
      const T next = back[c] + gather(inverse.channel(v.batch, c), at_back);
      const T move = next - s.q[c];
      moved += move * move;
      s.q[c] = next;
    });
    s.done = moved <= tolerance * tolerance;
  }

  QS_HD void finish(const Voxel& v, const State& s) const {
    unroll<D>([&](auto c) QS_INLINE { out.at(v, c) = s.q[c]; });
  }
};

void check_step(const Field& velocity, int taps, const char* op, std::initializer_list<const Field*> others) {
  require_vectors(velocity, op, "velocity");
  require_samples(velocity, taps, op, "velocity");
  for (const Field* other : others) {
    require_like(*other, velocity, velocity.dims, op, "a map, gradient or workspace");
  }
}

// Calls f(T{}, Int<D>{}, Sampler<mode, border>{}) for the two interpolations of psi.
template <class F>
void dispatch_composition(const Field& field, const char* op, Mode composition, F&& f) {
  dispatch(field, op, [&](auto scalar, auto dims) {
    composition == Mode::cubic ? f(scalar, dims, Sampler<Mode::cubic, Padding::border>{})
                               : f(scalar, dims, Sampler<Mode::linear, Padding::border>{});
  });
}

}  // namespace

void advance(const Field& velocity, const Field& psi, const Field& out, double dt, Mode composition,
             const Queue& queue) {
  check_step(velocity, taps_of_mode(composition), "advance", {&psi, &out});
  dispatch_composition(velocity, "advance", composition, [&](auto scalar, auto dims, auto sampler) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    iterate_voxels(grid_of(velocity), 1, queue,
                   Advance<T, D, decltype(sampler)>{view<const T>(velocity), view<const T>(psi), view<T>(out),
                                                    extent_of(velocity), static_cast<T>(dt)});
  });
}

void advance_gradient(const Field& velocity, const Field& psi, const Field& grad, const Field& foot, const Field& back,
                      const Field& pulled, const Field& to_psi, const Field& to_velocity, double dt, Mode composition,
                      const Queue& queue) {
  constexpr const char* op = "advance_gradient";
  check_step(velocity, taps_of_mode(composition), op, {&psi, &grad, &foot, &back, &pulled, &to_psi, &to_velocity});
  dispatch_composition(velocity, op, composition, [&](auto scalar, auto dims, auto sampler) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    iterate_voxels(
        grid_of(velocity), 1, queue,
        AdvanceGradient<T, D, decltype(sampler)>{view<const T>(velocity), view<const T>(psi), view<const T>(grad),
                                                 view<T>(foot), view<T>(back), view<T>(pulled), view<T>(to_psi),
                                                 view<T>(to_velocity), extent_of(velocity), static_cast<T>(dt)});
  });
  splat(grad, foot, to_psi, nullptr, {composition, Padding::border}, queue);
  splat(pulled, back, to_velocity, nullptr, velocity_sampling, queue);
}

void follow(const Field& velocity, const Field& phi, const Field& out, double dt, const Queue& queue) {
  check_step(velocity, 2, "follow", {&phi, &out});
  dispatch(velocity, "follow", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(velocity), queue,
                   Follow<T, decltype(dims)::value>{view<const T>(velocity), view<const T>(phi), view<T>(out),
                                                    extent_of(velocity), static_cast<T>(dt)});
  });
}

void follow_gradient(const Field& velocity, const Field& phi, const Field& grad, const Field& middle,
                     const Field& at_middle, const Field& at_phi, const Field& to_velocity, double dt,
                     const Queue& queue) {
  constexpr const char* op = "follow_gradient";
  check_step(velocity, 2, op, {&phi, &grad, &middle, &at_middle, &at_phi, &to_velocity});
  dispatch(velocity, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    for_each_voxel(grid_of(velocity), queue,
                   FollowGradient<T, decltype(dims)::value>{view<const T>(velocity), view<const T>(phi), view<T>(grad),
                                                            view<T>(middle), view<T>(at_middle), view<T>(at_phi),
                                                            extent_of(velocity), static_cast<T>(dt)});
  });
  splat(at_middle, middle, to_velocity, nullptr, velocity_sampling, queue);
  splat(at_phi, phi, to_velocity, nullptr, velocity_sampling, queue);
}

void update_inverse(const Field& inverse, const Field& increment, const Field& out, int iterations, double tolerance,
                    Padding padding, const Queue& queue) {
  constexpr const char* op = "update_inverse";
  require_vectors(inverse, op, "inverse");
  require_samples(inverse, 2, op, "inverse");
  require_like(increment, inverse, inverse.dims, op, "increment");
  require_like(out, inverse, inverse.dims, op, "out");
  dispatch(inverse, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    const auto run = [&](auto pad) {
      iterate_voxels(
          grid_of(inverse), iterations, queue,
          UpdateInverse<T, D, decltype(pad)::value>{view<const T>(inverse), view<const T>(increment), view<T>(out),
                                                    extent_of(inverse), static_cast<T>(tolerance)});
    };
    padding == Padding::border ? run(std::integral_constant<Padding, Padding::border>{})
                               : run(std::integral_constant<Padding, Padding::zeros>{});
  });
}

}  // namespace qs::QS_TARGET
