// The determinant of the Jacobian of a map id + u by finite differences.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// displacement (B, D, *S), out (B, 1, *S).
void jacobian_determinant(const Field& displacement, const Field& out, Faces faces, const Queue& queue);

// out = grad * d det / d (D psi), a D x D matrix per voxel in channels c * D + a.
void jacobian_determinant_gradient(const Field& displacement, const Field& grad, const Field& out, Faces faces,
                                   const Queue& queue);

}  // namespace qs::QS_TARGET
