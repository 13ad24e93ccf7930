// The steps in time of a geodesic (geodesic_steps.h), and PyCA's UpdateInverse for rk4: two dependent gathers per
// iteration, 36 bytes per voxel.
#include "ops/declarations.h"

#include <initializer_list>

#include "core/parallel.h"
#include "core/sampling/dispatch.h"
#include "core/sampling/footprint.h"
#include "ops/geodesic_steps.h"

namespace qs::QS_TARGET {

namespace {

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
    for_each_voxel(grid_of(velocity), queue,
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
