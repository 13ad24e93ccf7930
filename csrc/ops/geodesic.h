// The steps of geodesic shooting and their transposes. All fields (B, D, *S).
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// out = d + psi(x + d), d = -dt w(x - dt/2 w(x)) with the velocity w: the displacement of psi one step later.
void advance(const Field& velocity, const Field& psi, const Field& out, double dt, Mode composition,
             const Queue& queue);

// For a cotangent grad of advance's result: to_psi and to_velocity are the gradients by its arguments. foot, back and
// pulled are workspace.
void advance_gradient(const Field& velocity, const Field& psi, const Field& grad, const Field& foot, const Field& back,
                      const Field& pulled, const Field& to_psi, const Field& to_velocity, double dt, Mode composition,
                      const Queue& queue);

// out = phi + dt w(x + phi + dt/2 w(x + phi)): the displacement of phi one step later. out may be phi.
void follow(const Field& velocity, const Field& phi, const Field& out, double dt, const Queue& queue);

// For a cotangent grad of follow's result: grad becomes the gradient by phi, and that by the velocity is added to
// to_velocity. middle, at_middle and at_phi are workspace.
void follow_gradient(const Field& velocity, const Field& phi, const Field& grad, const Field& middle,
                     const Field& at_middle, const Field& at_phi, const Field& to_velocity, double dt,
                     const Queue& queue);

// The inverse of (g + increment) from the inverse g^-1 = id + inverse, by the fixed point
// q <- g^-1(x - increment(q)); increment is zero outside, g^-1 continued by `padding`. out is the displacement of q;
// a voxel stops when it moves by less than the tolerance.
void update_inverse(const Field& inverse, const Field& increment, const Field& out, int iterations, double tolerance,
                    Padding padding, const Queue& queue);

}  // namespace qs::QS_TARGET
