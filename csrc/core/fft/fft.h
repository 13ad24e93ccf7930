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

QS_HD int quotient(int n, const Divider& by) {
  return static_cast<int>((static_cast<std::uint64_t>(n) * by.reciprocal) >> 31);
}

// Lines in the memory of a block: the places between the numbers of a line, and between lines.
template <class T>
struct Lines {
  Complex<T>* data;
  Divider count;
  int step, gap;
};

template <int R, bool Inverse, class T>
QS_DEVICE void transform_stage(const Block& block, int length, const Stage& stage, const Lines<T>& lines,
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
        unroll<R - 1>([&](auto r) QS_INLINE { x[r + 1] = times<Inverse>(x[r + 1], roots[(r + 1) * j * stage.turn]); });
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

template <bool Inverse, class T>
QS_DEVICE void transform(const Block& block, const Plan& plan, const Lines<T>& lines, const Complex<T>* roots) {
  for (int n = 0; n < plan.stages; ++n) {
    const Stage& stage = plan.stage[Inverse ? plan.stages - 1 - n : n];
    const auto run = [&](auto radix) QS_INLINE {
      transform_stage<decltype(radix){}, Inverse>(block, plan.length, stage, lines, roots);
    };
    switch (stage.radix) {
      case 2:
        run(Constant<2>{});
        break;
      case 3:
        run(Constant<3>{});
        break;
      case 4:
        run(Constant<4>{});
        break;
      case 5:
        run(Constant<5>{});
        break;
      case 6:
        run(Constant<6>{});
        break;
      case 7:
        run(Constant<7>{});
        break;
      default:
        run(Constant<8>{});
    }
  }
}

// From the transform z of M pairs of reals (even + i odd) to the spectrum X_0 .. X_M of the 2 M reals, or back, both
// times 2, in place: the frequencies k and M - k make each other,
//
//   2 X_k = E + w^k O,  2 X_{M-k} = conj(E - w^k O),  E = z_k + conj(z_{M-k}),  O = -i (z_k - conj(z_{M-k})),
//
// with w = exp(-pi i / M). `places` says where a frequency is; X_M goes behind the others.
template <bool Inverse, class T>
QS_DEVICE void untangle(const Block& block, int half, const Lines<T>& lines, const Complex<T>* roots, const T* places) {
  block.share(lines.count.divisor * (half / 2 + 1), [&](int item) QS_INLINE {
    const int k = quotient(item, lines.count);
    Complex<T>* const line = lines.data + (item - k * lines.count.divisor) * lines.gap;
    if (k == 0) {
      Complex<T>&first = line[0], &last = line[half * lines.step];
      if constexpr (Inverse) {
        first = {first.re + last.re, first.re - last.re};
      } else {
        const Complex<T> z = first;
        first = {2 * (z.re + z.im), T(0)};
        last = {2 * (z.re - z.im), T(0)};
      }
      return;
    }
    Complex<T>&near = line[static_cast<int>(places[k]) * lines.step],
    &far = line[static_cast<int>(places[half - k]) * lines.step];
    const Complex<T> even = near + conjugate(far);
    const Complex<T> difference = near - conjugate(far);
    const Complex<T> odd = Inverse ? turned(times<true>(difference, roots[k]))
                                   : times<false>(Complex<T>{difference.im, -difference.re}, roots[k]);
    near = even + odd;
    far = conjugate(even - odd);
  });
}

}  // namespace qs::QS_TARGET
