// What geodesic shooting needs beyond the other families.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// The inverse of (g + increment) from the inverse g^-1 = id + inverse, by the fixed point
// q <- g^-1(x - increment(q)); increment is zero outside, g^-1 continued by `padding`. out is the displacement of q;
// a voxel stops when it moves by less than the tolerance.
void update_inverse(const Field& inverse, const Field& increment, const Field& out, int iterations, double tolerance,
                    Padding padding, const Queue& queue);

}  // namespace qs::QS_TARGET
