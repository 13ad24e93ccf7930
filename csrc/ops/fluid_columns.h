// Lines across the rows of a spectrum: a few neighbouring columns per block, in place in global memory.
//
// 64 contiguous bytes of each row and component. Columns: all components along the first axis, forward, symbol,
// inverse, so that beta costs no traffic; planes outside the field are zeros that are never read, and are never
// written. Middle: one component along the middle axis, where a block cannot hold a slab. Each 8 bytes per voxel and
// component in float32; in a half band 2 and 3.
#pragma once

#include "core/fft/blocks.h"
#include "ops/fluid_gain.h"

namespace qs::QS_TARGET {

template <class T>
constexpr int columns_width = 64 / sizeof(Complex<T>);

// N components of neighbouring columns, in global memory and in a block's: there lane component * width + column of
// line n is at n * lanes + lane.
template <class T, int N>
struct ColumnTile {
  static constexpr int width = columns_width<T>, lanes = N * width;
  Complex<T>*global, *memory;
  int component;  // complex numbers between components
  int stride;     // and between lines
  int columns;    // inside the spectrum, at most width
  Divider lines;  // lanes

  QS_DEVICE Lines<T, Constant<lanes>> along() const { return {memory, lines, {}, 1}; }

  // Lines from `present` on are zeros.
  QS_DEVICE void load(const Block& block, int length, int present) const {
    block.move<lanes>(
        length, lanes,
        [&](int line, int lane) QS_INLINE {
          return line < present && lane % width < columns ? *place(line, lane) : Complex<T>{T(0), T(0)};
        },
        [&](int line, int lane, const Complex<T>& value) QS_INLINE { memory[line * lanes + lane] = value; });
  }

  // Line n of global memory from line at(n) of the block's.
  template <class At>
  QS_DEVICE void store(const Block& block, int present, const At& at) const {
    block.share<lanes>(present, lanes, [&](int line, int lane) QS_INLINE {
      if (lane % width < columns) {
        *place(line, lane) = memory[at(line) * lanes + lane];
      }
    });
  }

  QS_DEVICE void store(const Block& block, int present) const {
    store(block, present, [](int line) QS_INLINE { return line; });
  }

  // Line n of the `kept` in global memory is line places[n] of the block's; there the others are zeros.
  QS_DEVICE void load_kept(const Block& block, int length, int kept, const T* places) const {
    block.share(length * lanes, [&](int item) QS_INLINE { memory[item] = {T(0), T(0)}; });
    block.share<lanes>(kept, lanes, [&](int line, int lane) QS_INLINE {
      if (lane % width < columns) {
        memory[static_cast<int>(places[line]) * lanes + lane] = *place(line, lane);
      }
    });
  }

  QS_DEVICE void store_kept(const Block& block, int kept, const T* places) const {
    store(block, kept, [&](int line) QS_INLINE { return static_cast<int>(places[line]); });
  }

 private:
  QS_DEVICE Complex<T>* place(int line, int lane) const {
    return global + (lane / width * component + lane % width + line * stride);
  }
};

template <class T, bool Inverse>
struct Middle {
  static constexpr int most_threads = sizeof(T) == 4 ? 640 : 384;
  Complex<T>* spectrum;
  std::int64_t plane;  // complex numbers between planes
  int columns;         // of a plane, and its blocks of them
  int chunks;
  int present;  // rows of the field
  Plan plan;
  const Complex<T>* roots;
  const T* places;  // of the kept frequencies; null where all are
  int kept;
  Divider lines;

  QS_DEVICE void operator()(const Block& block) const {
    const int first = block.index() % chunks * columns_width<T>;
    const ColumnTile<T, 1> tile{spectrum + block.index() / chunks * plane + first,
                                block.memory<Complex<T>>(),
                                0,
                                columns,
                                columns - first,
                                lines};
    if (Inverse && places) {
      tile.load_kept(block, plan.length, kept, places);
    } else {
      tile.load(block, plan.length, Inverse ? plan.length : present);
    }
    transform<Inverse>(block, plan, tile.along(), roots);
    if (!Inverse && places) {
      tile.store_kept(block, kept, places);
    } else {
      tile.store(block, Inverse ? present : plan.length);
    }
  }
};

template <class T, int D>
struct Columns {
  static constexpr int most_threads = sizeof(T) == 4 ? 640 : 384;
  static constexpr int width = columns_width<T>;
  Complex<T>* spectrum;
  int component;  // complex numbers between components
  int stride;     // and between planes
  int columns;    // of a plane, and its blocks of them
  int chunks;
  int present;  // planes of the field
  Plan plan;
  const Complex<T>* roots;
  Divider lines;
  Divider frequencies;  // of the last axis
  const T *c[D], *s[D];
  Gain<T, D> gain;

  QS_DEVICE void operator()(const Block& block) const {
    const int first = block.index() % chunks * width;
    const ColumnTile<T, D> tile{spectrum + std::int64_t(block.index() / chunks) * D * component + first,
                                block.memory<Complex<T>>(),
                                component,
                                stride,
                                columns - first,
                                lines};
    tile.load(block, plan.length, present);
    transform<false>(block, plan, tile.along(), roots);
    multiply_symbol(block, tile.memory, first);
    transform<true>(block, plan, tile.along(), roots);
    tile.store(block, present);
  }

 private:
  QS_DEVICE void multiply_symbol(const Block& block, Complex<T>* memory, int first) const {
    block.share<width>(plan.length, width, [&](int x, int lane) QS_INLINE {
      const int column = first + lane;
      if (column >= columns) {
        return;
      }
      const int y = quotient(column, frequencies);
      const int at[3] = {x, D == 3 ? y : column, column - y * frequencies.divisor};
      T ca[D], sa[D], re[D], im[D];
      Complex<T>* const values = memory + x * D * width + lane;
      unroll<D>([&](auto a) QS_INLINE {
        ca[a] = c[a][at[a]];
        sa[a] = s[a][at[a]];
        re[a] = values[a * width].re;
        im[a] = values[a * width].im;
      });
      if (ca[0] > T(0)) {  // outside the band
        unroll<D>([&](auto a) QS_INLINE { values[a * width] = {T(0), T(0)}; });
        return;
      }
      gain.template apply<false>(gain.at(ca, sa), re, im);
      unroll<D>([&](auto a) QS_INLINE { values[a * width] = {re[a], im[a]}; });
    });
  }
};

}  // namespace qs::QS_TARGET
