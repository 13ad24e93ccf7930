// Cubic interpolation for a block of neighbouring voxels on the CPU.
//
// Weights are computed across voxels, those along the outer axes multiplied already, one array per number; samples are
// gathered voxel by voxel. The weights of the few footprints that reach beyond the grid, which must be shifted, are
// computed again one by one.
#pragma once

#include "core/sampling/footprint.h"

namespace qs::QS_TARGET {

template <class T, int D, Padding P>
class CubicBlock {
 public:
  static constexpr int width = block_width, taps = 4;

  // The footprints of `count` voxels from v on, displaced by u.
  QS_HD CubicBlock(const Voxel& v, int count, const Extent& e, const T (&u)[D][width])
      : stride0_(e.stride(0)), stride1_(e.stride(1)) {
    bool shifted[width];
    QS_VECTORISE
    for (int k = 0; k < count; ++k) {
      Footprint<T, D, taps> f;
      shifted[k] = false;
      unroll<D>([&](auto c) QS_INLINE {
        const int a = axis_of<D>(c);
        const auto line = unshifted_cubic_taps<T, P>(T(v.next(k).x[a]) + u[c][k], e.n[a]);
        f.axis[c] = line.taps;
        shifted[k] |= line.first != line.taps.base;
      });
      f.place = place_of(f.axis, e);
      set(k, f);
    }
    for (int k = 0; k < count; ++k) {
      if (shifted[k]) {
        T at[D];
        unroll<D>([&](auto c) QS_INLINE { at[c] = u[c][k]; });
        set(k, footprint<Mode::cubic, P>(v.next(k), at, e));
      }
    }
  }

  // f(weight, offset): the rows along the contiguous axis that voxel k touches; last(tap, k): the weights within them.
  template <class F>
  QS_HD void each_row_of(int k, F&& f) const {
    each_pair_of_taps<D, taps>([&](auto row, auto a, auto b)
                                   QS_INLINE { f(weight_[row][k], offset_[k] + a * stride0_ + b * stride1_); });
  }
  QS_HD T last(int tap, int k) const { return last_[tap][k]; }

 private:
  static constexpr int rows = taps * middle_taps<D, taps>;

  int stride0_, stride1_;
  int offset_[width];
  T weight_[rows][width], last_[taps][width];

  QS_HD void set(int k, const Footprint<T, D, taps>& f) {
    offset_[k] = f.place.first;
    each_pair_of_taps<D, taps>([&](auto row, auto a, auto b)
                                   QS_INLINE { weight_[row][k] = f.axis[0].weight[a] * f.middle(b); });
    unroll<taps>([&](auto n) QS_INLINE { last_[n][k] = f.axis[D - 1].weight[n]; });
  }
};

}  // namespace qs::QS_TARGET
