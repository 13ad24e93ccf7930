// K or L of a real vector field by Fourier transforms on a padded torus: on a GPU by blocks (ops/fluid_blocks.h), on
// the CPU by packets of lines (ops/fluid_packets.h).
#include <algorithm>

#include "core/dispatch.h"
#include "ops/declarations.h"
#include "ops/fluid_blocks.h"
#include "ops/fluid_packets.h"

namespace qs::QS_TARGET {

namespace {

constexpr int longest_line = has_blocks ? 512 : longest_transform;  // that fits into the memory of a block

void check(const Field& field, const Field& out, const Field& workspace, const FluidTorus& torus) {
  const char* const op = "fluid";
  require_vectors(field, op, "field");
  require_like(out, field, field.channels, op, "out");
  const int* const size = torus.size;
  const bool planned = std::all_of(size, size + 3, [](int n) { return n <= longest_line && has_plan(n); });
  require(planned && size[2] % 2 == 0, op, "torus", field,
          "a torus of sizes up to 2048 (on a GPU 512) with factors 2, 3, 5 and 7, the last one even, for a field");
  require(field.shape[0] <= size[0] && field.shape[1] <= size[1] && field.shape[2] <= size[2], op, "torus", field,
          "a torus that holds the field");
  require(torus.kept[0] >= 1 && torus.kept[0] <= size[1] && torus.kept[1] >= 1 && torus.kept[1] <= size[2] / 2 + 1, op,
          "torus", field, "a torus that keeps some of its frequencies, for a field");
  require(workspace.dtype == field.dtype && workspace.dims == 2 && workspace.batch == field.batch &&
              workspace.channels == field.channels && workspace.shape[0] == field.shape[0] &&
              workspace.shape[2] >= std::max(field.shape[1], torus.kept[0]) * in_packets(torus.kept[1]),
          op, "workspace", workspace, "(B, D, first size of the field, rest of the kept spectrum) as complex numbers");
  require(has_blocks || reinterpret_cast<std::uintptr_t>(workspace.data) % 64 == 0, op, "workspace", workspace,
          "memory that begins at a whole cache line, of 64 bytes");
}

}  // namespace

void fluid(const Field& field, const Field& out, const Field& workspace, const void* tables, const FluidTorus& torus,
           const FluidSymbol& symbol, const Queue& queue) {
  check(field, out, workspace, torus);
  dispatch(field, "fluid", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    const FluidCall<T, D> call(field, workspace, static_cast<const T*>(tables), torus, queue);
    if constexpr (has_blocks) {
      smooth_by_blocks(call, field, out, symbol);
    } else {
      smooth_by_packets(call, field, out, symbol);
    }
  });
}

}  // namespace qs::QS_TARGET
