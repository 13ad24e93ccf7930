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
#include <algorithm>

#include "core/dispatch.h"
#include "ops/declarations.h"
#include "ops/fluid_columns.h"
#include "ops/fluid_rows.h"

namespace qs::QS_TARGET {

namespace {

// One call: where things are. Axes are numbered as components are.
template <class T, int D>
struct Smoothing {
  std::int64_t batch;
  int size[D], present[D];  // of the torus and of the field
  int half;                 // complex numbers of a padded row
  int kept[2];              // frequencies of the middle and the last axis in the spectrum
  int stride;               // of the first axis in the spectrum
  Complex<T>* spectrum;
  const T *c[D], *s[D];
  const Complex<T>* roots[D];
  const T* places;
  const T *kept_rows, *kept_columns;  // places, where fewer are kept than there are
  int block_memory;
  Queue queue;

  Smoothing(const Field& field, const Field& workspace, const T* tables, const FluidTorus& torus, const Queue& on)
      : batch(field.batch),
        half(torus.size[2] / 2),
        kept{torus.kept[0], torus.kept[1]},
        stride(workspace.shape[2]),
        spectrum(static_cast<Complex<T>*>(workspace.data)),
        block_memory(torus.block_memory),
        queue(on) {
    for (int a = 0; a < D; ++a) {
      size[a] = torus.size[axis_of<D>(a)];
      present[a] = field.shape[axis_of<D>(a)];
    }
    for (const T** table : {c, s}) {
      for (int a = 0; a < D; ++a) {
        table[a] = tables;
        tables += a == D - 1 ? kept[1] : a > 0 ? kept[0] : size[a];
      }
    }
    for (int a = 0; a < D; ++a) {
      roots[a] = reinterpret_cast<const Complex<T>*>(tables);
      tables += 2 * size[a];
    }
    places = tables;
    const bool all = kept[1] == half + 1;
    kept_rows = all || D == 2 ? nullptr : places + half;
    kept_columns = all ? nullptr : places + half + (D == 3 ? kept[0] : 0);
  }

  std::int64_t component() const { return static_cast<std::int64_t>(present[0]) * stride; }
  std::size_t row_bytes() const { return ((half + 1) | 1) * sizeof(Complex<T>); }
  bool has_slabs() const { return D == 3 && size[1] * row_bytes() <= static_cast<std::size_t>(block_memory); }

  template <class Body>
  void run(std::int64_t blocks, std::size_t shared, const Body& body) const {
    for_each_block(blocks_of(blocks, shared, block_memory, Body::most_threads), queue, body);
  }

  // A plane of rows is a plane of the volume in 3-D and all of it in 2-D.
  template <class Body>
  void rows(const Field& field) const {
    const bool slab = has_slabs();
    const int few = std::clamp(block_memory / static_cast<int>(row_bytes()), 1, 32);
    const int tile = slab ? size[D - 2] : few;
    const int tiles = (present[D - 2] + tile - 1) / tile;
    const Rows<T> geometry{static_cast<T*>(field.data),
                           spectrum,
                           D == 3 ? stride : component(),
                           D == 3 ? kept[1] : stride,
                           present[D - 2],
                           slab ? kept[0] : 0,
                           tiles,
                           (half + 1) | 1,
                           divider(tile),
                           divider(present[D - 1]),
                           divider(half),
                           divider(half + 1),
                           divider(kept[1]),
                           plan_of(half, size[D - 1]),
                           plan_of(slab ? size[D - 2] : 1, size[D - 2]),
                           roots[D - 1],
                           roots[D - 2],
                           places,
                           slab ? kept_rows : nullptr,
                           kept_columns};
    run(batch * D * (D == 3 ? present[0] : 1) * tiles, tile * row_bytes(), Body{geometry});
  }

  template <bool Inverse>
  void middle() const {
    constexpr int width = columns_width<T>;
    const int chunks = (kept[1] + width - 1) / width;
    const Middle<T, Inverse> body{spectrum, stride,    kept[1], chunks,        present[1], plan_of(size[1], size[1]),
                                  roots[1], kept_rows, kept[0], divider(width)};
    run(batch * D * present[0] * chunks, size[1] * width * sizeof(Complex<T>), body);
  }

  void columns(const FluidSymbol& symbol) const {
    constexpr int width = columns_width<T>;
    const int count = kept[0] * kept[1];
    const int chunks = (count + width - 1) / width;
    // The transforms of the rows are twice too large, there and back.
    double norm = 0.25 / half;
    for (int a = 0; a < D - 1; ++a) {
      norm /= size[a];
    }
    Columns<T, D> body{spectrum,
                       component(),
                       stride,
                       count,
                       chunks,
                       present[0],
                       plan_of(size[0], size[0]),
                       roots[0],
                       divider(D * width),
                       divider(kept[1]),
                       {},
                       {},
                       gain_of<T, D>(symbol, norm)};
    std::copy_n(c, D, body.c);
    std::copy_n(s, D, body.s);
    run(batch * chunks, size[0] * D * width * sizeof(Complex<T>), body);
  }
};

void check(const Field& field, const Field& out, const Field& workspace, const FluidTorus& torus) {
  const char* const op = "fluid";
  require_vectors(field, op, "field");
  require_like(out, field, field.channels, op, "out");
  const int* const size = torus.size;
  require(has_plan(size[0]) && has_plan(size[1]) && size[2] > 0 && size[2] % 2 == 0 && has_plan(size[2]), op, "torus",
          field, "a torus of sizes up to 512 with factors 2, 3, 5 and 7, the last one even, for a field");
  require(field.shape[0] <= size[0] && field.shape[1] <= size[1] && field.shape[2] <= size[2], op, "torus", field,
          "a torus that holds the field");
  require(torus.kept[0] >= 1 && torus.kept[0] <= size[1] && torus.kept[1] >= 1 && torus.kept[1] <= size[2] / 2 + 1, op,
          "torus", field, "a torus that keeps some of its frequencies, for a field");
  require(workspace.dtype == field.dtype && workspace.dims == 2 && workspace.batch == field.batch &&
              workspace.channels == field.channels && workspace.shape[0] == field.shape[0] &&
              workspace.shape[2] >= std::max(field.shape[1], torus.kept[0]) * torus.kept[1],
          op, "workspace", workspace, "(B, D, first size of the field, rest of the kept spectrum) as complex numbers");
}

}  // namespace

void fluid(const Field& field, const Field& out, const Field& workspace, const void* tables, const FluidTorus& torus,
           const FluidSymbol& symbol, const Queue& queue) {
  check(field, out, workspace, torus);
  dispatch(field, "fluid", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    const Smoothing<T, D> smoothing(field, workspace, static_cast<const T*>(tables), torus, queue);
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
  });
}

}  // namespace qs::QS_TARGET
