// warp(I, u)(x) = I(x + u(x)) and its gradient; compose, its use on displacements.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// image (B, C, *Sin), displacement (B, D, *S) in voxels of Sin, out (B, C, *S). In all of these an image or a
// displacement with a batch of one serves every entry of out.
void warp(const Field& image, const Field& displacement, const Field& out, const Sampling& sampling,
          const Queue& queue);

// Nearest neighbour for any element of 1, 2, 4 or 8 bytes, moved as bits.
void warp_bits(const Field& image, const Field& displacement, const Field& out, Padding padding, const Queue& queue);

// out_a = sum_c grad_c(x) (d I_c / d position_a)(x + u(x)): the gradient of <grad, warp(I, u)> by u.
void warp_displacement_gradient(const Field& image, const Field& displacement, const Field& grad, const Field& out,
                                const Sampling& sampling, const Queue& queue);

// out = inner + outer(x + inner(x)): the displacement of (id + outer) o (id + inner).
void compose(const Field& outer, const Field& inner, const Field& out, const Sampling& sampling, const Queue& queue);

}  // namespace qs::QS_TARGET
