// Derivatives of warp and splat along a direction of the displacement: what differentiating twice needs.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// image (B, C, *Sin); displacement, direction h (B, D, *S). out_c = sum_a h_a (d I_c / d position_a)(x + u(x)): (B, C,
// *S).
void warp_tangent(const Field& image, const Field& displacement, const Field& direction, const Field& out,
                  const Sampling& sampling, const Queue& queue);

// Its transpose in the image: values (B, C, *S), out (B, C, *Sin) zeroed by the caller; all of one batch size.
void splat_tangent(const Field& values, const Field& displacement, const Field& direction, const Field& out,
                   const Sampling& sampling, const Queue& queue);

// The gradient of <values, warp_tangent> by u: out_b = sum_c values_c sum_a h_a (d^2 I_c / d position_a d position_b).
void warp_hessian(const Field& image, const Field& displacement, const Field& values, const Field& direction,
                  const Field& out, const Sampling& sampling, const Queue& queue);

}  // namespace qs::QS_TARGET
