// Patches of a field, and their sum back into one.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// corners: (N, 1 + D) int64, batch entry and first voxel of each patch, inside the image (others are moved to its
// border). patches (N, C, *size).
void extract_patches(const Field& image, const std::int64_t* corners, const Field& patches, const Queue& queue);

// out (B, C, *S), zeroed by the caller, collects every patch at its corner: the transpose of extract_patches. With a
// scale out is fixed-point, as in splat.
void add_patches(const Field& patches, const std::int64_t* corners, const Field& out, const double* scale,
                 const Queue& queue);

}  // namespace qs::QS_TARGET
