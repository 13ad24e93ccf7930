// The fluid metric in the Fourier domain.
#pragma once

#include "core/field.h"
#include "core/host_device.h"
#include "ops/fluid_symbol.h"

namespace qs::QS_TARGET {

// spectrum (B, D, *frequencies), complex as pairs of reals, in place; the last axis may hold half the frequencies.
// tables: for each axis c_a(k) = (2 cos(2 pi k / n_a) - 2) / h_a^2, then for each axis s_a(k) = sin(2 pi k / n_a) /
// h_a, one after the other.
void fluid_symbol(const Field& spectrum, const void* tables, const FluidSymbol& symbol, const Queue& queue);

}  // namespace qs::QS_TARGET
