// The fluid metric: K or L by Fourier transforms, and their symbol alone.
#pragma once

#include "core/field.h"
#include "core/host_device.h"
#include "ops/fluid_symbol.h"

namespace qs::QS_TARGET {

// out <- the symbol applied to a vector field (B, D, *S), padded with zeros to the torus and cropped again. The sizes
// of the torus have plans (core/fft/plan.h), the last one is even.
//
// The spectrum keeps torus.kept frequencies of the middle axis (1 in 2-D) and of the last one: all of them (n and n / 2
// + 1), or in a half band fewer of the last axis; the others count as zeros.
//
// workspace: (B, D, S_0, at least max(S_1, kept_1) * kept_2), complex as pairs of reals; whole multiples of 128 bytes
// are fast.
// tables: c_a of every axis as for fluid_symbol, s_a of every axis, both at the kept frequencies in the digit-reversed
// order (the last axis: of half its size, the highest frequency behind; the first axis: all, where c > 0 stands for a
// gain of 0); for every axis exp(-2 pi i k / n_a), k = 0 .. n_a - 1; the places of the frequencies 0 .. n / 2 - 1 of
// the last axis; in a half band the places of the kept frequencies, of the middle axis in 3-D and of the last one.
void fluid(const Field& field, const Field& out, const Field& workspace, const void* tables, const FluidTorus& torus,
           const FluidSymbol& symbol, const Queue& queue);

// spectrum (B, D, *frequencies), complex as pairs of reals, in place; the last axis may hold half the frequencies.
// tables: for each axis c_a(k) = (2 cos(2 pi k / n_a) - 2) / h_a^2, then for each axis s_a(k) = sin(2 pi k / n_a) /
// h_a, one after the other.
void fluid_symbol(const Field& spectrum, const void* tables, const FluidSymbol& symbol, const Queue& queue);

}  // namespace qs::QS_TARGET
