// Label maps carried by a map: the label with the largest share of the linear weights.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// labels (B, C, *Sin) of any element of 1, 2, 4 or 8 bytes, displacement (B, D, *S) in voxels of Sin, out (B, C, *S) of
// the labels' type; a batch of one serves every entry of out.
void warp_labels(const Field& labels, const Field& displacement, const Field& out, Padding padding, const Queue& queue);

}  // namespace qs::QS_TARGET
