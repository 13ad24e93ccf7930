// Transforms of many lines at once in the memory of a block.
//
// In place: each butterfly writes where it read, so a stage is one phase and needs no second buffer. The forward
// transform goes from natural to digit-reversed order (decimation in frequency), the inverse back (decimation in time);
// the order is never undone. Neither is scaled. Neighbouring threads take the same butterfly of neighbouring lines:
// they share its roots, and meet different banks where lines are next to each other or an odd number of places apart.
#pragma once

#include "core/block.h"
#include "core/fft/butterfly.h"
#include "core/fft/plan.h"

namespace qs::QS_TARGET {

// n / by.divisor.
QS_HD int quotient(int n, const Divider& by) {
  const std::uint64_t twice = static_cast<std::uint32_t>(n) << 1;
  return static_cast<int>(static_cast<std::uint32_t>(twice * by.reciprocal >> 32) >> by.shift);
}

// Lines in the memory of a block: the places between the numbers of a line (an int, or a constant), and between lines.
template <class T, class Step>
struct Lines {
  Complex<T>* data;
  Divider count;
  Step step;
  int gap;
};

// x_r <- x_r w^r, or with the conjugate, given w and w^4: a table of all powers would be read for every number. From
// two of them none is a product of more than six.
template <int R, bool Inverse, class T>
QS_HD void rotate_by_powers(Complex<T> (&x)[R], const Complex<T>& root, const Complex<T>& fourth) {
  Complex<T> power[R];
  unroll<R - 1>([&](auto n) QS_INLINE {
    constexpr int r = decltype(n){} + 1, half = r < 4 ? r / 2 : r % 4 == 0 ? r / 8 * 4 : r % 4;
    if constexpr (r == 1 || r == 4) {
      power[r] = r == 1 ? root : fourth;
    } else {
      power[r] = times<false>(power[half], power[r - half]);
    }
    x[r] = times<Inverse>(x[r], power[r]);
  });
}

template <int R, bool Inverse, class T, class Step>
QS_DEVICE void transform_stage(const Block& block, int length, const Stage& stage, const Lines<T, Step>& lines,
                               const Complex<T>* roots) {
  const int spread = stage.spread.divisor;
  block.share(lines.count.divisor * (length / R), [&](int item) QS_INLINE {
    const int butterfly = quotient(item, lines.count);
    const int line = item - butterfly * lines.count.divisor;
    const int group = quotient(butterfly, stage.spread);
    const int j = butterfly - group * spread;
    Complex<T>* const data = lines.data + line * lines.gap + (group * spread * R + j) * lines.step;
    Complex<T> x[R];
    const auto rotate = [&] QS_INLINE {
      if (spread > 1) {
        const int turn = j * stage.turn;
        rotate_by_powers<R, Inverse>(x, roots[turn], roots[R > 4 ? 4 * turn : 0]);
      }
    };
    unroll<R>([&](auto r) QS_INLINE { x[r] = data[r * spread * lines.step]; });
    if constexpr (Inverse) {
      rotate();
    }
    dft<R, Inverse>(x);
    if constexpr (!Inverse) {
      rotate();
    }
    unroll<R>([&](auto r) QS_INLINE { data[r * spread * lines.step] = x[r]; });
  });
}

template <bool Inverse, class T, class Step>
QS_DEVICE void transform(const Block& block, const Plan& plan, const Lines<T, Step>& lines, const Complex<T>* roots) {
  for (int n = 0; n < plan.stages; ++n) {
    const Stage& stage = plan.stage[Inverse ? plan.stages - 1 - n : n];
    with_radix<2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16>(stage.radix, [&](auto radix) QS_INLINE {
      transform_stage<decltype(radix){}, Inverse>(block, plan.length, stage, lines, roots);
    });
  }
}

// `untangle_pair` for all pairs of frequencies, and X_0 and X_M. `places` says where a frequency is; X_M goes behind
// the others.
template <bool Inverse, class T, class Step>
QS_DEVICE void untangle(const Block& block, int half, const Lines<T, Step>& lines, const Complex<T>* roots,
                        const T* places) {
  block.share<warp_threads>(half / 2 + 1, lines.count.divisor, [&](int k, int number) QS_INLINE {
    Complex<T>* const line = lines.data + number * lines.gap;
    if (k == 0) {
      untangle_ends<Inverse>(line[0], line[half * lines.step]);
      return;
    }
    untangle_pair<Inverse>(line[static_cast<int>(places[k]) * lines.step],
                           line[static_cast<int>(places[half - k]) * lines.step], roots[k]);
  });
}

}  // namespace qs::QS_TARGET
