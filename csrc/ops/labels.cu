// out(x) = argmax over labels l of the linear interpolant of [labels = l] at x + u(x): one gather, whatever the number
// of labels.
//
// One voxel per thread: load its displacement, form the footprint, load the 2^D labels around, and unless they are all
// the same, as most are, sum for each of them the weights of those equal to it, 4^D comparisons in registers. 12 + 2 s
// bytes per voxel in 3-D and float32, s bytes per label; footprints and, at outlines, the comparisons bound it on the
// CPU, memory on the GPU.
#include "ops/declarations.h"

#include "core/parallel.h"
#include "core/sampling/dispatch.h"
#include "core/sampling/footprint.h"

namespace qs::QS_TARGET {

namespace {

template <class T, class Bits, int D, Padding P>
struct WarpLabels {
  static constexpr Loop loop = Loop::plain;
  static constexpr int corners = D == 3 ? 8 : 4;
  View<const Bits> labels;
  View<const T> displacement;
  View<Bits> out;
  Extent extent;
  int channels;

  // f(n, a, b, c) for every corner of a cell.
  template <class F>
  QS_HD static void each_corner(F&& f) {
    unroll<corners>([&](auto n) QS_INLINE {
      constexpr int i = decltype(n)::value;
      f(i, i / (corners / 2), D == 3 ? i / 2 % 2 : 0, i % 2);
    });
  }

  QS_HD void operator()(const Voxel& v) const {
    T u[D];
    load_vector(displacement, v, u);
    const auto f = footprint<Mode::linear, P>(v, u, extent);
    for (int channel = 0; channel < channels; ++channel) {
      const Bits* const values = labels.channel(v.batch, channel);
      Bits label[corners];
      each_corner([&](int n, int a, int b, int c) QS_INLINE { label[n] = values[f.place.at(a, b, c)]; });
      out.at(v, channel) = are_alike(label) ? within(label[0], f) : elected(label, f);
    }
  }

  QS_HD static bool are_alike(const Bits (&label)[corners]) {
    bool alike = true;
    unroll<corners>([&](auto n) QS_INLINE { alike = alike && label[n] == label[0]; });
    return alike;
  }

  // The label all around, unless zeros outside have the larger share.
  template <class Footprint>
  QS_HD static Bits within(Bits label, const Footprint& f) {
    if constexpr (P == Padding::zeros) {
      T share = T(1);
      unroll<D>([&](auto a) QS_INLINE { share *= f.axis[a].weight[0] + f.axis[a].weight[1]; });
      return share >= T(1) - share ? label : Bits(0);
    }
    return label;
  }

  // Of equal shares the first. What zeros contribute from outside is a share of label 0.
  template <class Footprint>
  QS_HD static Bits elected(const Bits (&label)[corners], const Footprint& f) {
    T weight[corners], outside = T(1);
    each_corner([&](int n, int a, int b, int c) QS_INLINE {
      weight[n] = f.axis[0].weight[a] * f.middle(b) * f.axis[D - 1].weight[c];
      outside -= weight[n];
    });
    Bits best = label[0];
    T most = T(-1);
    const auto propose = [&](Bits candidate, T share) QS_INLINE {
      unroll<corners>([&](auto n) QS_INLINE { share += label[n] == candidate ? weight[n] : T(0); });
      best = share > most ? candidate : best;
      most = share > most ? share : most;
    };
    unroll<corners>([&](auto n) QS_INLINE { propose(label[n], T(0)); });
    if constexpr (P == Padding::zeros) {
      propose(Bits(0), outside);
    }
    return best;
  }
};

}  // namespace

void warp_labels(const Field& labels, const Field& displacement, const Field& out, Padding padding,
                 const Queue& queue) {
  constexpr const char* op = "warp_labels";
  require_vectors(displacement, op, "displacement");
  require(labels.dims == displacement.dims, op, "labels", labels, "the number of axes of the displacement");
  require_samples(labels, 2, op, "labels");
  require_broadcast(labels, out.batch, op, "labels");
  require_broadcast(displacement, out.batch, op, "displacement");
  require(same_grid(out, displacement) && out.channels == labels.channels && out.dtype == labels.dtype, op, "out", out,
          "the labels' dtype and channels on the displacement's grid");
  dispatch(displacement, op, [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    dispatch_bits(labels, [&](auto bits) {
      using Bits = decltype(bits);
      dispatch_padding(padding, [&](auto pad) {
        for_each_voxel(grid_of(out), queue,
                       WarpLabels<T, Bits, D, decltype(pad)::value>{
                           view<const Bits>(labels), view<const T>(displacement), view<Bits>(out),
                           extent_of(labels, padding), static_cast<int>(labels.channels)});
      });
    });
  });
}

}  // namespace qs::QS_TARGET
