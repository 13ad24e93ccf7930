// The transpose of a linear gather for a block of neighbouring voxels on the CPU.
//
// The two samples along the contiguous axis take one addition of a pair. Pairs of neighbouring voxels overlap, and a
// CPU stalls when it reads what it has only half written: so every fourth voxel adds first, then their successors, and
// so on. The order depends on the block alone, never on the slab, so the bits are the same for any number of threads.
#pragma once

#include <algorithm>

#include "core/packet.h"
#include "core/sampling/footprint.h"
#include "core/scatter.h"

namespace qs::QS_TARGET {

template <class T, int D>
class ScatterBlock {
 public:
  static constexpr int width = block_width, dims = D;

  QS_HD explicit ScatterBlock(const Extent& e) : stride0_(e.stride(0)), stride1_(e.stride(1)) {}

  QS_HD void set(int k, const Footprint<T, D, 2>& f) {
    offset_[k] = f.place.first;
    plane_[k] = f.place.plane0;
    unroll<2>([&](auto n) QS_INLINE {
      last_[2 * k + n] = f.axis[D - 1].weight[n];
      unroll<middle>([&](auto b) QS_INLINE { outer_[n][b][k] = f.axis[0].weight[n] * f.middle(b); });
    });
  }

  // Notes the planes that the first `count` voxels reach; called once they are set.
  QS_HD void end(int count) {
    count_ = count;
    const auto [low, high] = std::minmax_element(plane_, plane_ + count);
    low_ = *low;
    high_ = *high;
  }

  // Adds values[c][k] of C channels to the samples of the slab.
  template <int C>
  QS_HD void add(const T* const (&values)[C], T* const (&result)[C], const Slab& slab) const {
    if (low_ >= slab.last || high_ + 1 < slab.first) {
      return;
    }
    T pairs[C][2][middle][2 * width];
    each_row<C>([&](auto c, auto a, auto b) QS_INLINE { weigh(values[c], outer_[a][b], pairs[c][a][b]); });
    for (int first = 0; first < apart; ++first) {
      each_row<C>([&](auto c, auto a, auto b) QS_INLINE {
        T* const row = result[c] + (a * stride0_ + b * stride1_);
        if (slab.owns(low_ + a) && slab.owns(high_ + a)) {
          for (int k = first; k < count_; k += apart) {
            add_pair(row + offset_[k], pairs[c][a][b] + 2 * k);
          }
          return;
        }
        for (int k = first; k < count_; k += apart) {
          if (slab.owns(plane_[k] + a)) {
            add_pair(row + offset_[k], pairs[c][a][b] + 2 * k);
          }
        }
      });
    }
  }

 private:
  static constexpr int apart = 4;
  static constexpr int middle = middle_taps<D, 2>;
  typedef T Pair __attribute__((vector_size(2 * sizeof(T)), aligned(alignof(T)), may_alias));

  int stride0_, stride1_, count_, low_, high_;
  int offset_[width], plane_[width];
  T outer_[2][middle][width], last_[2 * width];

  // f(c, a, b): every row of samples along the contiguous axis.
  template <int C, class F>
  QS_HD static void each_row(F&& f) {
    unroll<C>([&](auto c) QS_INLINE { each_pair_of_taps<D, 2>([&](auto, auto a, auto b) QS_INLINE { f(c, a, b); }); });
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
