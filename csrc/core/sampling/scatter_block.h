// The transpose of a gather for a block of neighbouring voxels on the CPU.
//
// The N samples along the contiguous axis take one addition of a row. Rows of neighbouring voxels overlap, and a CPU
// stalls when it reads what it has only half written: so every fourth voxel adds first, then their successors, and so
// on. The order depends on the block alone, never on the slab, so the bits are the same for any number of threads.
#pragma once

#include <algorithm>

#include "core/packet.h"
#include "core/sampling/footprint_block.h"
#include "core/scatter.h"

namespace qs::QS_TARGET {

template <class T, int D, int N>
class ScatterBlock {
 public:
  using Number = T;
  static constexpr int width = block_width, dims = D;

  QS_HD explicit ScatterBlock(const Extent& e) : stride0_(e.stride(0)), stride1_(e.stride(1)) {}

  QS_HD void set(int k, const Footprint<T, D, N>& f) {
    offset_[k] = f.place.first;
    plane_[k] = f.place.plane0;
    unroll<N>([&](auto n) QS_INLINE { last_[N * k + n] = f.axis[D - 1].weight[n]; });
    each_pair_of_taps<D, N>([&](auto row, auto a, auto b)
                                QS_INLINE { outer_[row][k] = f.axis[0].weight[a] * f.middle(b); });
  }

  // Notes the planes that the first `count` voxels reach; called once they are set.
  QS_HD void end(int count) {
    count_ = count;
    const auto [low, high] = std::minmax_element(plane_, plane_ + count);
    low_ = *low;
    high_ = *high + N - 1;
  }

  // Adds values[c][k] of C channels to the samples of the slab.
  template <int C>
  QS_HD void add(const T* const (&values)[C], T* const (&result)[C], const Slab& slab) const {
    if (low_ >= slab.last || high_ < slab.first) {
      return;
    }
    const bool all = slab.owns(low_) && slab.owns(high_);
    if constexpr (N == 2) {
      add_pairs(values, result, slab, all);
    } else {
      unroll<C>([&](auto c) QS_INLINE { add_rows(values[c], result[c], slab, all); });
    }
  }

 private:
  static constexpr int apart = 4, rows = N * middle_taps<D, N>;
  typedef T Pair __attribute__((vector_size(2 * sizeof(T)), aligned(alignof(T)), may_alias));

  int stride0_, stride1_, count_, low_, high_;
  int offset_[width], plane_[width];
  T outer_[rows][width], last_[N * width];

  // One channel after the other, voxel by voxel: where planes and channels lie a multiple of 4 KB apart, the rows of
  // all channels together need more lines of the same set than a first-level cache has.
  QS_HD void add_rows(const T* values, T* result, const Slab& slab, bool all) const {
    for (int first = 0; first < apart; ++first) {
      for (int k = first; k < count_; k += apart) {
        const auto last = Row<T, N>::load(last_ + N * k);
        T* const samples = result + offset_[k];
        each_pair_of_taps<D, N>([&](auto row, auto a, auto b) QS_INLINE {
          if (all || slab.owns(plane_[k] + a)) {
            slab.add(samples + (a * stride0_ + b * stride1_), values[k] * outer_[row][k], last);
          }
        });
      }
    }
  }

  // Row by row of the footprints, weighed by packets first.
  template <int C>
  QS_HD void add_pairs(const T* const (&values)[C], T* const (&result)[C], const Slab& slab, bool all) const {
    T pairs[C][rows][2 * width];
    each_row<C>([&](auto c, auto row, auto, auto) QS_INLINE { weigh(values[c], outer_[row], pairs[c][row]); });
    for (int first = 0; first < apart; ++first) {
      each_row<C>([&](auto c, auto row, auto a, auto b) QS_INLINE {
        T* const samples = result[c] + (a * stride0_ + b * stride1_);
        for (int k = first; k < count_; k += apart) {
          if (all || slab.owns(plane_[k] + a)) {
            add_pair(samples + offset_[k], pairs[c][row] + 2 * k);
          }
        }
      });
    }
  }

  // f(c, row, a, b): every row of samples along the contiguous axis.
  template <int C, class F>
  QS_HD static void each_row(F&& f) {
    unroll<C>([&](auto c)
                  QS_INLINE { each_pair_of_taps<D, N>([&](auto row, auto a, auto b) QS_INLINE { f(c, row, a, b); }); });
  }

  QS_HD void weigh(const T* values, const T* weight, T* pairs) const {
    using P = Packet<T>;
    for (int k = 0; k < count_; k += P::size) {
      const P value{P::load(values + k, count_ - k).x * P::load(weight + k).x};
      unroll<2>([&](auto half) QS_INLINE {
        T* const out = pairs + 2 * k + half * P::size;
        P{value.template twice<decltype(half)::value>().x * P::load(last_ + (out - pairs)).x}.store(out);
      });
    }
  }

  QS_HD static void add_pair(T* sample, const T* pair) {
    *reinterpret_cast<Pair*>(sample) += *reinterpret_cast<const Pair*>(pair);
  }
};

}  // namespace qs::QS_TARGET
