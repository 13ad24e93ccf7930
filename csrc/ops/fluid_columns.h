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

// N components of neighbouring columns, in global memory and in a block's: there number (line, component, column) is
// at (line * N + component) * width + column.
template <class T, int N>
struct ColumnTile {
  static constexpr int width = columns_width<T>;
  Complex<T>*global, *memory;
  std::int64_t component;  // complex numbers between components
  int stride;              // and between lines
  int columns;             // inside the spectrum, at most width
  Divider lines;           // N * width

  QS_DEVICE Lines<T> along() const { return {memory, lines, N * width, 1}; }

  // Lines from `present` on are zeros.
  QS_DEVICE void load(const Block& block, int length, int present) const {
    block.move(
        length * N * width,
        [&](int item) QS_INLINE {
          const bool inside = item < present * N * width && item % width < columns;
          return inside ? *place(item) : Complex<T>{T(0), T(0)};
        },
        [&](int item, const Complex<T>& value) QS_INLINE { memory[item] = value; });
  }

  QS_DEVICE void store(const Block& block, int present) const {
    block.share(present * N * width, [&](int item) QS_INLINE {
      if (item % width < columns) {
        *place(item) = memory[item];
      }
    });
  }

  // Line n of the `kept` in global memory is line places[n] of the block's; there the others are zeros.
  QS_DEVICE void load_kept(const Block& block, int length, int kept, const T* places) const {
    block.share(length * N * width, [&](int item) QS_INLINE { memory[item] = {T(0), T(0)}; });
    block.share(kept * N * width, [&](int item) QS_INLINE {
      if (item % width < columns) {
        memory[moved(item, places)] = *place(item);
      }
    });
  }

  QS_DEVICE void store_kept(const Block& block, int kept, const T* places) const {
    block.share(kept * N * width, [&](int item) QS_INLINE {
      if (item % width < columns) {
        *place(item) = memory[moved(item, places)];
      }
    });
  }

 private:
  QS_DEVICE int moved(int item, const T* places) const {
    const int line = item / (N * width);
    return item + (static_cast<int>(places[line]) - line) * N * width;
  }

  QS_DEVICE Complex<T>* place(int item) const {
    const int row = item / width;
    return global + (row % N * component + static_cast<std::int64_t>(row / N) * stride + item % width);
  }
};

template <class T, bool Inverse>
struct Middle {
  static constexpr int most_threads = sizeof(T) == 4 ? 1024 : 512;
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
  static constexpr int most_threads = sizeof(T) == 4 ? 1024 : 512;
  static constexpr int width = columns_width<T>;
  Complex<T>* spectrum;
  std::int64_t component;  // complex numbers between components
  int stride;              // and between planes
  int columns;             // of a plane, and its blocks of them
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
    const ColumnTile<T, D> tile{spectrum + block.index() / chunks * D * component + first,
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
    block.share(plan.length * width, [&](int item) QS_INLINE {
      const int x = item / width, column = first + item % width;
      if (column >= columns) {
        return;
      }
      const int y = quotient(column, frequencies);
      const int at[3] = {x, D == 3 ? y : column, column - y * frequencies.divisor};
      T ca[D], sa[D], re[D], im[D];
      Complex<T>* const values = memory + x * D * width + item % width;
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
