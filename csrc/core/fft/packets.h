// Transforms of a packet of lines, which lie side by side: number n of all of them is one place of an array.
//
// In place, of the same plans and orders as a block's (core/fft/blocks.h): forward from natural to digit-reversed
// order, back from it, neither scaled. All lanes share a root, which is broadcast from its table. A line of 240 numbers
// is 15 KB: it stays in the first-level cache, and instructions bound it.
#pragma once

#include "core/fft/butterfly.h"
#include "core/fft/plan.h"
#include "core/packet.h"

namespace qs::QS_TARGET {

template <class T>
using ComplexPacket = Complex<Packet<T>>;

template <int R, bool Inverse, class T>
void transform_stage(int length, const Stage& stage, ComplexPacket<T>* line, const Complex<T>* roots) {
  const int spread = stage.spread.divisor;
  for (int first = 0; first < length; first += R * spread) {
    for (int j = 0; j < spread; ++j) {
      ComplexPacket<T>* const data = line + first + j;
      ComplexPacket<T> x[R];
      const auto rotate = [&] QS_INLINE {
        if (j > 0) {
          unroll<R - 1>([&](auto r)
                            QS_INLINE { x[r + 1] = times<Inverse>(x[r + 1], roots[(r + 1) * j * stage.turn]); });
        }
      };
      unroll<R>([&](auto r) QS_INLINE { x[r] = data[r * spread]; });
      if constexpr (Inverse) {
        rotate();
      }
      dft<R, Inverse>(x);
      if constexpr (!Inverse) {
        rotate();
      }
      unroll<R>([&](auto r) QS_INLINE { data[r * spread] = x[r]; });
    }
  }
}

template <bool Inverse, class T>
void transform(const Plan& plan, ComplexPacket<T>* line, const Complex<T>* roots) {
  for (int n = 0; n < plan.stages; ++n) {
    const Stage& stage = plan.stage[Inverse ? plan.stages - 1 - n : n];
    with_radix<2, 3, 4, 5, 6, 7, 8>(
        stage.radix, [&](auto radix) { transform_stage<decltype(radix){}, Inverse>(plan.length, stage, line, roots); });
  }
}

// Between the transform of 2 `half` real numbers taken as `half` complex ones, and their spectrum
// (core/fft/butterfly.h).
template <bool Inverse, class T>
void untangle(int half, ComplexPacket<T>* line, const Complex<T>* roots, const T* places) {
  untangle_ends<Inverse>(line[0], line[half]);
  for (int k = 1; 2 * k < half; ++k) {
    untangle_pair<Inverse>(line[static_cast<int>(places[k])], line[static_cast<int>(places[half - k])], roots[k]);
  }
  if (half % 2 == 0) {  // its own mirror image
    ComplexPacket<T>& middle = line[static_cast<int>(places[half / 2])];
    untangle_pair<Inverse>(middle, middle, roots[half / 2]);
  }
}

}  // namespace qs::QS_TARGET
