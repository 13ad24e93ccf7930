// splat: the transpose of warp.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// values (B, C, *S), displacement (B, D, *S), out (B, C, *Sout) zeroed by the caller. With a scale (the address of one
// number, where the fields are) out is of 64-bit integers: the sum of scale times each term, rounded. Values or a
// displacement with a batch of one serve every entry; an out with a batch of one gets the sum over all of them.
void splat(const Field& values, const Field& displacement, const Field& out, const double* scale,
           const Sampling& sampling, const Queue& queue);

}  // namespace qs::QS_TARGET
