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

// gathered: fields whose vectors lie together; others: maps, gradients and workspace by component.
void check_step(const Field& map, int taps, const char* op, std::initializer_list<const Field*> gathered,
                std::initializer_list<const Field*> others) {
  require_vectors(map, op, "map");
  require_samples(map, taps, op, "map");
  for (const Field* field : gathered) {
    require_like(*field, map, map.dims == 3 ? lanes<3> : lanes<2>, op, "a field whose vectors lie together");
  }
  for (const Field* other : others) {
    require_like(*other, map, map.dims, op, "a map, gradient or workspace");
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

void interleave(const Field& field, const Field& before, const Field& out, double beyond, const Queue& queue) {
  check_step(field, 1, "interleave", {&out}, {&before});
  dispatch(field, "interleave", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(
        grid_of(field), queue,
        Interleave<T, D>{view<const T>(field), view<const T>(before), vectors<T, D>(out), static_cast<T>(beyond)});
  });
}

void advance(const Field& velocity, const Field& psi, const Field& out, double dt, Mode composition,
             const Queue& queue) {
  check_step(out, taps_of_mode(composition), "advance", {&velocity, &psi}, {});
  dispatch_composition(out, "advance", composition, [&](auto scalar, auto dims, auto sampler) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(out), queue,
                   Advance<T, D, decltype(sampler)>{vectors<const T, D>(velocity), vectors<const T, D>(psi),
                                                    view<T>(out), extent_of(out), static_cast<T>(dt)});
  });
}

void advance_gradient(const Field& velocity, const Field& psi, const Field& grad, const Field& foot, const Field& back,
                      const Field& pulled, const Field& to_psi, const Field& to_velocity, double dt, Mode composition,
                      const Queue& queue) {
  constexpr const char* op = "advance_gradient";
  check_step(grad, taps_of_mode(composition), op, {&velocity, &psi}, {&foot, &back, &pulled, &to_psi, &to_velocity});
  dispatch_composition(grad, op, composition, [&](auto scalar, auto dims, auto sampler) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(grad), queue,
                   AdvanceGradient<T, D, decltype(sampler)>{vectors<const T, D>(velocity), vectors<const T, D>(psi),
                                                            view<const T>(grad), view<T>(foot), view<T>(back),
                                                            view<T>(pulled), view<T>(to_psi), view<T>(to_velocity),
                                                            extent_of(grad), static_cast<T>(dt)});
  });
  splat(grad, foot, to_psi, nullptr, {composition, Padding::border}, queue);
  splat(pulled, back, to_velocity, nullptr, velocity_sampling, queue);
}

void follow(const Field& velocity, const Field& phi, const Field& out, double dt, const Queue& queue) {
  check_step(phi, 2, "follow", {&velocity}, {&out});
  dispatch(phi, "follow", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(grid_of(phi), queue,
                   Follow<T, D>{vectors<const T, D>(velocity), view<const T>(phi), view<T>(out), extent_of(phi),
                                static_cast<T>(dt)});
  });
}

void follow_gradient(const Field& velocity, const Field& phi, const Field& grad, const Field& middle,
                     const Field& at_middle, const Field& at_phi, const Field& to_velocity, double dt,
                     const Queue& queue) {
  constexpr const char* op = "follow_gradient";
  check_step(phi, 2, op, {&velocity}, {&grad, &middle, &at_middle, &at_phi, &to_velocity});
  dispatch(phi, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    for_each_voxel(
        grid_of(phi), queue,
        FollowGradient<T, D>{vectors<const T, D>(velocity), view<const T>(phi), view<T>(grad), view<T>(middle),
                             view<T>(at_middle), view<T>(at_phi), extent_of(phi), static_cast<T>(dt)});
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
