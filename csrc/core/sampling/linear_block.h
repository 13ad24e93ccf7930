// Linear interpolation for a block of neighbouring voxels on the CPU.
//
// Gather instructions, one sample per lane, bound a linear gather there. The two samples along the contiguous
// axis are neighbours in memory, so one load takes both; sums over the outer axes are formed on pairs, and only the
// last step separates low from high.
#pragma once

#include "core/packet.h"
#include "core/sampling/footprint_block.h"

namespace qs::QS_TARGET {

// With Slopes, the interpolant's derivatives can be gathered, otherwise only its value.
template <class T, int D, bool Slopes>
class LinearBlock : public FootprintBlock<T, D, 2, Slopes> {
  using Base = FootprintBlock<T, D, 2, Slopes>;
  using Base::last_;
  using Base::offset_;
  using Base::stride0_;
  using Base::stride1_;
  using Base::sums;
  using Base::weight_;

 public:
  using Base::Base;
  using Base::width;

  // The rest of the last packet reads the first samples of the volume, with whatever weights.
  QS_HD void end(int count) {
    for (int k = count; k % Packet<T>::size != 0; ++k) {
      offset_[k] = 0;
    }
  }

  // The values of C channels at voxels k .. k + size - 1.
  template <int C>
  QS_HD void gather(const T* const (&values)[C], int k, Packet<T> (&out)[C]) const {
    using P = Packet<T>;
    P first[C] = {}, second[C] = {};
    each_pair_of_taps<D, 2>([&](auto row, auto a, auto b) QS_INLINE {
      const P weight = P::load(weight_[0][row] + k);
      const P lower = weight.template twice<0>(), upper = weight.template twice<1>();
      unroll<C>([&](auto c) QS_INLINE {
        first[c].x += lower.x * pairs<0>(values[c], a, b, k).x;
        second[c].x += upper.x * pairs<1>(values[c], a, b, k).x;
      });
    });
    unroll<C>([&](auto c) QS_INLINE {
      out[c] =
          dot(P::template of_pairs<0>(first[c], second[c]), P::template of_pairs<1>(first[c], second[c]), last_[0], k);
    });
  }

  // The values there, and their derivatives by position.
  QS_HD Packet<T> linearise(const T* values, int k, Packet<T> (&slope)[D]) const {
    Packet<T> low[D], high[D];
    sum([&](auto half, auto a, auto b) QS_INLINE { return pairs<decltype(half)::value>(values, a, b, k); }, k, low,
        high);
    slopes(low, high, k, slope);
    return dot(low[0], high[0], last_[0], k);
  }

  // The derivatives by position there of the sum of C channels times a factor each.
  template <int C>
  QS_HD void gather_gradient(const T* const (&values)[C], int k, const Packet<T> (&factor)[C],
                             Packet<T> (&gradient)[D]) const {
    using P = Packet<T>;
    P low[D], high[D], twice[2][C];
    unroll<C>([&](auto c) QS_INLINE {
      twice[0][c] = factor[c].template twice<0>();
      twice[1][c] = factor[c].template twice<1>();
    });
    const auto summed = [&](auto half, auto a, auto b) QS_INLINE {
      P sum = {};
      unroll<C>([&](auto c)
                    QS_INLINE { sum.x += twice[half][c].x * pairs<decltype(half)::value>(values[c], a, b, k).x; });
      return sum;
    };
    sum(summed, k, low, high);
    slopes(low, high, k, gradient);
  }

 private:
  // The samples along the last axis of half a packet's voxels, in the row at tap a of the first and b of the middle
  // axis.
  template <int Half>
  QS_HD Packet<T> pairs(const T* values, int a, int b, int k) const {
    return Packet<T>::pairs(values + (a * stride0_ + b * stride1_), offset_ + (k + Half * Packet<T>::half));
  }

  // Sums over the outer axes, of the lower and the upper sample along the last one; samples(half, a, b) are pairs.
  template <class Samples>
  QS_HD void sum(Samples&& samples, int k, Packet<T> (&low)[sums], Packet<T> (&high)[sums]) const {
    using P = Packet<T>;
    P first[sums] = {}, second[sums] = {};
    each_pair_of_taps<D, 2>([&](auto row, auto a, auto b) QS_INLINE {
      const P here = samples(Constant<0>{}, a, b), next = samples(Constant<1>{}, a, b);
      unroll<sums>([&](auto s) QS_INLINE {
        const P weight = P::load(weight_[s][row] + k);
        first[s].x += weight.template twice<0>().x * here.x;
        second[s].x += weight.template twice<1>().x * next.x;
      });
    });
    unroll<sums>([&](auto s) QS_INLINE {
      low[s] = P::template of_pairs<0>(first[s], second[s]);
      high[s] = P::template of_pairs<1>(first[s], second[s]);
    });
  }

  QS_HD void slopes(const Packet<T> (&low)[D], const Packet<T> (&high)[D], int k, Packet<T> (&slope)[D]) const {
    unroll<D - 1>([&](auto n) QS_INLINE { slope[n] = dot(low[n + 1], high[n + 1], last_[0], k); });
    slope[D - 1] = dot(low[0], high[0], last_[1], k);
  }

  QS_HD static Packet<T> dot(const Packet<T>& low, const Packet<T>& high, const T (&weight)[2][width], int k) {
    return {low.x * Packet<T>::load(weight[0] + k).x + high.x * Packet<T>::load(weight[1] + k).x};
  }
};

// out = a vector field at `count` voxels from v on, displaced by u. They may be one block.
template <Padding P, class T, int D>
QS_HD void gather_vectors(const View<const T>& field, const Voxel& v, int count, const Extent& extent,
                          const VectorBlock<T, D>& u, VectorBlock<T, D>& out) {
  LinearBlock<T, D, false> footprints(extent);
  set_footprints<Mode::linear, P>(footprints, u, v, count, extent);
  const T* values[D];
  unroll<D>([&](auto c) QS_INLINE { values[c] = field.channel(v.batch, c); });
  for (int k = 0; k < count; k += Packet<T>::size) {
    Packet<T> value[D];
    footprints.gather(values, k, value);
    unroll<D>([&](auto c) QS_INLINE { value[c].store(out[c] + k); });
  }
}

}  // namespace qs::QS_TARGET
