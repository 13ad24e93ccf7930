// PyCA's UpdateInverse, used by the parity method rk4: two dependent vector gathers per iteration, the iterate in
// registers. 4 * 3 D bytes per voxel in float32 while the gathers hit the cache.
#include "ops/geodesic.h"

#include "core/dispatch.h"
#include "core/footprint.h"
#include "core/parallel.h"

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

}  // namespace

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
