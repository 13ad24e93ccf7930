// What a least-squares similarity needs of a warped image, without the warped image.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// residual = image(x + u(x)) - target(x), linear, padding border or zeros: image (B, C, *Sin), displacement (B, D, *S),
// target and residual (B, C, *S). With slopes (B, D, *S; none if their data is null) also
// sum_c residual_c (d image_c / d position_a), half the gradient of the squares by u. An image, target or displacement
// with a batch of one serves every entry.
void warp_residual(const Field& image, const Field& target, const Field& displacement, const Field& residual,
                   const Field& slopes, Padding padding, const Queue& queue);

}  // namespace qs::QS_TARGET
