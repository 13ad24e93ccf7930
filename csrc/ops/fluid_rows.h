// Between rows of a real field and their spectrum: the last axis, and where a block holds whole slabs the middle one.
//
// A tile is some rows of a plane, padded with zeros, in a block's memory as n / 2 complex numbers each. With a middle
// transform the tile is the whole plane (a slab), else a few rows of it. Per voxel and component 4 bytes of the field
// and 4 of the spectrum in float32; in a half band only the kept frequencies, a quarter of a slab's and half of a
// row's, go to the spectrum, next to each other, and come back from it among zeros. Rows in memory are an odd number of
// places apart, so that neighbouring rows meet different banks.
#pragma once

#include "core/fft/blocks.h"

namespace qs::QS_TARGET {

// One tile of a launch: its first row among all rows of the field and of the spectrum, and how many rows each has.
struct Tile {
  std::int64_t field, spectrum;
  int present, kept;
};

template <class T>
struct Rows {
  T* field;
  Complex<T>* spectrum;
  std::int64_t plane;   // complex numbers between planes of the spectrum
  int stride;           // and between its rows
  int rows;             // of the field in a plane
  int kept_rows;        // of the spectrum in a plane, where the middle axis is transformed
  int tiles;            // of a plane
  int gap;              // complex numbers between rows in the block's memory
  Divider tile;         // rows of a tile
  int samples;          // of a row of the field
  int half;             // complex numbers of a padded row
  Divider frequencies;  // half + 1
  int kept;             // of these in the spectrum
  Plan along, middle;   // the middle one has no stages where there is none
  const Complex<T>*along_roots, *middle_roots;
  const T* places;
  const T *row_places, *column_places;  // of what is kept; null: of each row, of each frequency

  QS_DEVICE Tile at(int index) const {
    const std::int64_t plane_index = index / tiles;
    const int first = index % tiles * tile.divisor;
    const int present = rows - first < tile.divisor ? rows - first : tile.divisor;
    return {(plane_index * rows + first) * samples, plane_index * plane + static_cast<std::int64_t>(first) * stride,
            present, kept_rows > 0 ? kept_rows : present};
  }

  QS_DEVICE Lines<T, Constant<1>> lines(Complex<T>* memory) const { return {memory, tile, {}, gap}; }
  QS_DEVICE Lines<T, int> columns(Complex<T>* memory) const { return {memory, frequencies, gap, 1}; }

  // Where in a block's memory a kept frequency of a kept row is.
  QS_DEVICE int place(int row, int k) const {
    const int line = row_places ? static_cast<int>(row_places[row]) : row;
    return line * gap + static_cast<int>(column_places[k]);
  }
};

template <class T>
struct RowsForward {
  static constexpr int most_threads = sizeof(T) == 4 ? 640 : 384;
  Rows<T> rows;

  QS_DEVICE void operator()(const Block& block) const {
    Complex<T>* const memory = block.memory<Complex<T>>();
    const Tile tile = rows.at(block.index());
    load(block, tile, memory);
    transform<false>(block, rows.along, rows.lines(memory), rows.along_roots);
    untangle<false>(block, rows.half, rows.lines(memory), rows.along_roots, rows.places);
    transform<false>(block, rows.middle, rows.columns(memory), rows.middle_roots);
    Complex<T>* const spectrum = rows.spectrum + tile.spectrum;
    const bool all = rows.column_places == nullptr;
    if (all) {
      store(block, tile, spectrum, [&](int row, int k) QS_INLINE { return memory[row * rows.gap + k]; });
    } else {
      store(block, tile, spectrum, [&](int row, int k) QS_INLINE { return memory[rows.place(row, k)]; });
    }
  }

 private:
  QS_DEVICE void load(const Block& block, const Tile& tile, Complex<T>* memory) const {
    const T* const field = rows.field + tile.field;
    const int half = rows.half, samples = rows.samples;
    block.move<warp_threads>(
        rows.tile.divisor, half,
        [&](int row, int k) QS_INLINE {
          const int z = 2 * k;
          const T* const pair = field + row * samples + z;
          const bool inside = row < tile.present;
          return Complex<T>{inside && z < samples ? pair[0] : T(0), inside && z + 1 < samples ? pair[1] : T(0)};
        },
        [&](int row, int k, const Complex<T>& pair) QS_INLINE { memory[row * rows.gap + k] = pair; });
  }

  template <class At>
  QS_DEVICE void store(const Block& block, const Tile& tile, Complex<T>* spectrum, const At& at) const {
    block.share<warp_threads>(tile.kept, rows.kept,
                              [&](int row, int k) QS_INLINE { spectrum[row * rows.stride + k] = at(row, k); });
  }
};

template <class T>
struct RowsInverse {
  static constexpr int most_threads = RowsForward<T>::most_threads;
  Rows<T> rows;

  QS_DEVICE void operator()(const Block& block) const {
    Complex<T>* const memory = block.memory<Complex<T>>();
    const Tile tile = rows.at(block.index());
    if (rows.column_places) {
      block.share(rows.tile.divisor * rows.gap, [&](int item) QS_INLINE { memory[item] = {T(0), T(0)}; });
      load(block, tile, [&](int row, int k) QS_INLINE -> Complex<T>& { return memory[rows.place(row, k)]; });
    } else {
      load(block, tile, [&](int row, int k) QS_INLINE -> Complex<T>& { return memory[row * rows.gap + k]; });
    }
    transform<true>(block, rows.middle, rows.columns(memory), rows.middle_roots);
    untangle<true>(block, rows.half, rows.lines(memory), rows.along_roots, rows.places);
    transform<true>(block, rows.along, rows.lines(memory), rows.along_roots);
    T* const field = rows.field + tile.field;
    block.share<warp_threads>(tile.present, rows.samples, [&](int row, int z) QS_INLINE {
      field[row * rows.samples + z] = reinterpret_cast<const T*>(memory + row * rows.gap)[z];
    });
  }

 private:
  template <class At>
  QS_DEVICE void load(const Block& block, const Tile& tile, const At& at) const {
    const Complex<T>* const spectrum = rows.spectrum + tile.spectrum;
    block.move<warp_threads>(
        tile.kept, rows.kept,
        [&](int row, int k)
            QS_INLINE { return row < tile.kept ? spectrum[row * rows.stride + k] : Complex<T>{T(0), T(0)}; },
        [&](int row, int k, const Complex<T>& value) QS_INLINE { at(row, k) = value; });
  }
};

}  // namespace qs::QS_TARGET
