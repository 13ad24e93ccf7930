// K or L of a real vector field by Fourier transforms on a padded torus, in three kernels where the block's memory
// holds a slab (the plane of the last two axes) and in five elsewhere:
//
//   rows (and, of a slab, the middle axis) -> [middle] -> first axis, symbol, first axis back -> [middle] -> rows.
//
// The spectrum between them is a workspace, digit-reversed along every axis: only the symbol's tables are permuted. Pad
// and crop are inside the loads and stores. Bytes per voxel of a 3-D float32 field where nothing is padded: 24 by each
// kernel: 72 in three kernels, 120 in five. In a half band the workspace holds half the frequencies of the last axis
// and half of the middle one: 15 by each of the rows kernels and 6 by the columns, 36 in three kernels; in five 18 by
// each of the rows kernels, 9 by each middle one and 6 by the columns, 60. Memory bounds them.
// Registers and occupancy: docs/kernels.md.
#pragma once

#include <algorithm>

#include "ops/fluid_call.h"
#include "ops/fluid_columns.h"
#include "ops/fluid_rows.h"

namespace qs::QS_TARGET {

template <class T, int D>
struct BlockSmoothing {
  FluidCall<T, D> call;

  std::int64_t component() const { return static_cast<std::int64_t>(call.present[0]) * call.stride; }
  std::size_t row_bytes() const { return ((call.half + 1) | 1) * sizeof(Complex<T>); }
  bool has_slabs() const { return D == 3 && call.size[1] * row_bytes() <= static_cast<std::size_t>(call.block_memory); }

  template <class Body>
  void run(std::int64_t blocks, std::size_t shared, const Body& body) const {
    for_each_block(blocks_of(blocks, shared, call.block_memory, Body::most_threads), call.queue, body);
  }

  // A plane of rows is a plane of the volume in 3-D and all of it in 2-D.
  template <class Body>
  void rows(const Field& field) const {
    const bool slab = has_slabs();
    const int few = std::clamp(call.block_memory / static_cast<int>(row_bytes()), 1, 32);
    const int tile = slab ? call.size[D - 2] : few;
    const int tiles = (call.present[D - 2] + tile - 1) / tile;
    const Rows<T> geometry{static_cast<T*>(field.data),
                           call.spectrum,
                           D == 3 ? call.stride : component(),
                           D == 3 ? call.kept[1] : call.stride,
                           call.present[D - 2],
                           slab ? call.kept[0] : 0,
                           tiles,
                           (call.half + 1) | 1,
                           divider(tile),
                           call.present[D - 1],
                           call.half,
                           divider(call.half + 1),
                           call.kept[1],
                           plan_of(call.half, call.size[D - 1], true),
                           plan_of(slab ? call.size[D - 2] : 1, call.size[D - 2], true),
                           call.roots[D - 1],
                           call.roots[D - 2],
                           call.places,
                           slab ? call.kept_rows : nullptr,
                           call.kept_columns};
    run(call.batch * D * (D == 3 ? call.present[0] : 1) * tiles, tile * row_bytes(), Body{geometry});
  }

  template <bool Inverse>
  void middle() const {
    constexpr int width = columns_width<T>;
    const int chunks = (call.kept[1] + width - 1) / width;
    const Middle<T, Inverse> body{call.spectrum, call.stride,     call.kept[1],
                                  chunks,        call.present[1], plan_of(call.size[1], call.size[1], true),
                                  call.roots[1], call.kept_rows,  call.kept[0],
                                  divider(width)};
    run(call.batch * D * call.present[0] * chunks, call.size[1] * width * sizeof(Complex<T>), body);
  }

  void columns(const FluidSymbol& symbol) const {
    constexpr int width = columns_width<T>;
    const int count = call.kept[0] * call.kept[1];
    const int chunks = (count + width - 1) / width;
    Columns<T, D> body{call.spectrum,
                       static_cast<int>(component()),
                       call.stride,
                       count,
                       chunks,
                       call.present[0],
                       plan_of(call.size[0], call.size[0], true),
                       call.roots[0],
                       divider(D * width),
                       divider(call.kept[1]),
                       {},
                       {},
                       gain_of<T, D>(symbol, call.norm())};
    std::copy_n(call.c, D, body.c);
    std::copy_n(call.s, D, body.s);
    run(call.batch * chunks, call.size[0] * D * width * sizeof(Complex<T>), body);
  }
};

template <class T, int D>
void smooth_by_blocks(const FluidCall<T, D>& call, const Field& field, const Field& out, const FluidSymbol& symbol) {
  const BlockSmoothing<T, D> smoothing{call};
  const bool with_middle = D == 3 && !smoothing.has_slabs();
  smoothing.template rows<RowsForward<T>>(field);
  if (with_middle) {
    smoothing.template middle<false>();
  }
  smoothing.columns(symbol);
  if (with_middle) {
    smoothing.template middle<true>();
  }
  smoothing.template rows<RowsInverse<T>>(out);
}

}  // namespace qs::QS_TARGET
