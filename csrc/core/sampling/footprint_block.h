// The footprints of a block of neighbouring voxels on the CPU.
//
// One array per number: what computes them vectorises across voxels, and what uses them reads consecutive numbers.
// Weights along the outer axes are multiplied already.
#pragma once

#include "core/sampling/footprint.h"

namespace qs::QS_TARGET {

template <class T, int D>
using VectorBlock = T[D][block_width];

// Footprints of N taps per axis; with Slopes what derivatives by position take, too.
template <class T, int D, int N, bool Slopes>
class FootprintBlock {
 public:
  using Number = T;
  static constexpr int dims = D, width = block_width;

  QS_HD explicit FootprintBlock(const Extent& e) : stride0_(e.stride(0)), stride1_(e.stride(1)) {}

  QS_HD void set(int k, const Footprint<T, D, N>& f) {
    offset_[k] = f.place.first;
    unroll<N>([&](auto n) QS_INLINE {
      last_[0][n][k] = f.axis[D - 1].weight[n];
      if constexpr (Slopes) {
        last_[1][n][k] = f.axis[D - 1].slope[n];
      }
    });
    each_pair_of_taps<D, N>([&](auto row, auto a, auto b) QS_INLINE {
      weight_[0][row][k] = f.axis[0].weight[a] * f.middle(b);
      if constexpr (Slopes) {
        weight_[1][row][k] = f.axis[0].slope[a] * f.middle(b);
        if constexpr (D == 3) {
          weight_[2][row][k] = f.axis[0].weight[a] * f.middle_slope(b);
        }
      }
    });
  }

  // Called once the first `count` voxels are set.
  QS_HD void end(int) {}

  // f(row, offset): the rows along the contiguous axis that voxel k touches.
  template <class F>
  QS_HD void each_row_of(int k, F&& f) const {
    each_pair_of_taps<D, N>([&](auto row, auto a, auto b)
                                QS_INLINE { f(row, offset_[k] + a * stride0_ + b * stride1_); });
  }

  // The weight of a row of voxel k: for the value (0), or for the derivative along the first (1) or middle axis (2).
  QS_HD T weight(int which, int row, int k) const { return weight_[which][row][k]; }

  // The weights within a row of voxel k: for the value (0), or for the derivative along the contiguous axis (1).
  QS_HD void last(int which, int k, T (&weight)[N]) const {
    unroll<N>([&](auto n) QS_INLINE { weight[n] = last_[which][n][k]; });
  }

 protected:
  static constexpr int rows = N * middle_taps<D, N>, sums = Slopes ? D : 1;

  int stride0_, stride1_;
  int offset_[width];
  T weight_[sums][rows][width];
  T last_[Slopes ? 2 : 1][N][width];
};

// The footprints of `count` voxels from v on, voxel k displaced by the vector of components u(c, k). The few cubic ones
// that reach beyond the grid, whose weights must be shifted, are computed again one by one.
template <Mode M, Padding P, class Block, class U>
QS_HD void set_displaced(Block& block, const Voxel& v, int count, const Extent& e, const U& u) {
  using T = typename Block::Number;
  constexpr int D = Block::dims;
  bool shifted[block_width];
  QS_VECTORISE
  for (int k = 0; k < count; ++k) {
    shifted[k] = false;
    Footprint<T, D, taps_of<M>> f;
    unroll<D>([&](auto c) QS_INLINE {
      const int a = axis_of<D>(c);
      const T position = T(v.next(k).x[a]) + u(c, k);
      if constexpr (M == Mode::cubic) {
        const auto line = unshifted_cubic_taps<T, P>(position, e.n[a]);
        f.axis[c] = line.taps;
        shifted[k] |= line.first != line.taps.base;
      } else {
        f.axis[c] = taps_at<T, M, P>(position, e, a);
      }
    });
    f.place = place_of(f.axis, e);
    block.set(k, f);
  }
  for (int k = 0; M == Mode::cubic && k < count; ++k) {
    if (shifted[k]) {
      T at[D];
      unroll<D>([&](auto c) QS_INLINE { at[c] = u(c, k); });
      block.set(k, footprint<M, P>(v.next(k), at, e));
    }
  }
  block.end(count);
}

template <Mode M, Padding P, class Block, class T>
QS_HD void set_footprints(Block& block, const View<const T>& u, const Voxel& v, int count, const Extent& e) {
  set_displaced<M, P>(block, v, count, e, [&](int c, int k) QS_INLINE { return u.at(v.next(k), c); });
}

template <Mode M, Padding P, class Block, class T, int D>
QS_HD void set_footprints(Block& block, const T (&u)[D][block_width], const Voxel& v, int count, const Extent& e) {
  set_displaced<M, P>(block, v, count, e, [&](int c, int k) QS_INLINE { return u[c][k]; });
}

}  // namespace qs::QS_TARGET
