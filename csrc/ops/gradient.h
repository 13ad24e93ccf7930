// Derivatives by finite differences: of every channel along every axis, of vectors in sum; and their transposes.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// field (B, C, *S), out (B, C D, *S): D_a field_c in channel c D + a. With identity, C = D and the derivative of
// x + field(x).
void gradient(const Field& field, const Field& out, bool identity, Faces faces, const Queue& queue);

// out_c = sum_a D_a^T matrices_(c D + a): matrices (B, C D, *S), out (B, C, *S).
void gradient_transpose(const Field& matrices, const Field& out, Faces faces, const Queue& queue);

// field (B, D, *S), out (B, 1, *S): sum_a D_a field_a.
void divergence(const Field& field, const Field& out, Faces faces, const Queue& queue);

// field (B, 1, *S), out (B, D, *S): out_a = D_a^T field.
void divergence_transpose(const Field& field, const Field& out, Faces faces, const Queue& queue);

}  // namespace qs::QS_TARGET
