// The adjoint representation: a diffeomorphism on momenta, velocities on velocities and on momenta.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// out = det(D psi) (D psi)^T (m o psi), psi = id + displacement; m is linear, zero outside. All (B, D, *S).
void Ad_star(const Field& momentum, const Field& displacement, const Field& out, Faces faces, const Queue& queue);

// For a cotangent g of out: pulled = det(D psi) (D psi) g, whose splat is the gradient by m; matrices (B, D D, *S) =
// the gradient by D psi; direct = the gradient by u through the gather alone.
void Ad_star_gradient(const Field& momentum, const Field& displacement, const Field& grad, const Field& pulled,
                      const Field& matrices, const Field& direct, Faces faces, const Queue& queue);

// out = D v w - D w v of velocities v and w ("other"). All (B, D, *S).
void ad(const Field& velocity, const Field& other, const Field& out, Faces faces, const Queue& queue);

// The transpose of w -> ad_v w, to rounding. All (B, D, *S).
void ad_star(const Field& velocity, const Field& momentum, const Field& out, Faces faces, const Queue& queue);

}  // namespace qs::QS_TARGET
