// The inverse of a map id + u.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// Newton's method for w + u(x + w) = 0 at each voxel, linear interpolation continued by the border value. residual
// (B, 1, *S) is |w + u(x + w)| in voxels at the w returned; a voxel stops at the tolerance.
void invert(const Field& displacement, const Field& inverse, const Field& residual, int iterations, double tolerance,
            const Queue& queue);

// out = (I + D u(x + w))^-T grad: by the implicit function theorem, minus its splat by w is the gradient by u.
void invert_gradient(const Field& displacement, const Field& inverse, const Field& grad, const Field& out,
                     const Queue& queue);

}  // namespace qs::QS_TARGET
