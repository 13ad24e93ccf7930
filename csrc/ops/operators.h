// The table of operators that each target fills in, and the choice among targets.
#pragma once

#include "core/field.h"
#include "ops/fluid_symbol.h"

namespace qs {

struct Operators {
  void (*warp)(const Field& image, const Field& displacement, const Field& out, const Sampling&, const Queue&);
  void (*warp_bits)(const Field& image, const Field& displacement, const Field& out, Padding, const Queue&);
  void (*warp_labels)(const Field& labels, const Field& displacement, const Field& out, Padding, const Queue&);
  void (*warp_displacement_gradient)(const Field& image, const Field& displacement, const Field& grad, const Field& out,
                                     const Sampling&, const Queue&);
  void (*compose)(const Field& outer, const Field& inner, const Field& out, const Sampling&, const Queue&);
  void (*splat)(const Field& values, const Field& displacement, const Field& out, const double* scale, const Sampling&,
                const Queue&);
  void (*invert)(const Field& displacement, const Field& inverse, const Field& residual, int iterations,
                 double tolerance, const Queue&);
  void (*invert_gradient)(const Field& displacement, const Field& inverse, const Field& grad, const Field& out,
                          const Queue&);
  void (*jacobian_determinant)(const Field& displacement, const Field& out, Faces, const Queue&);
  void (*jacobian_determinant_gradient)(const Field& displacement, const Field& grad, const Field& out, Faces,
                                        const Queue&);
  void (*gradient)(const Field& field, const Field& out, bool identity, Faces, const Queue&);
  void (*gradient_transpose)(const Field& matrices, const Field& out, Faces, const Queue&);
  void (*divergence)(const Field& field, const Field& out, Faces, const Queue&);
  void (*divergence_transpose)(const Field& field, const Field& out, Faces, const Queue&);
  void (*warp_residual)(const Field& image, const Field& target, const Field& displacement, const Field& residual,
                        const Field& slopes, Padding, const Queue&);
  void (*warp_tangent)(const Field& image, const Field& displacement, const Field& direction, const Field& out,
                       const Sampling&, const Queue&);
  void (*splat_tangent)(const Field& values, const Field& displacement, const Field& direction, const Field& out,
                        const Sampling&, const Queue&);
  void (*warp_hessian)(const Field& image, const Field& displacement, const Field& values, const Field& direction,
                       const Field& out, const Sampling&, const Queue&);
  void (*ad)(const Field& velocity, const Field& other, const Field& out, Faces, const Queue&);
  void (*ad_star)(const Field& velocity, const Field& momentum, const Field& out, Faces, const Queue&);
  void (*Ad_star)(const Field& momentum, const Field& displacement, const Field& out, Faces, const Queue&);
  void (*Ad_star_gradient)(const Field& momentum, const Field& displacement, const Field& grad, const Field& pulled,
                           const Field& matrices, const Field& direct, Faces, const Queue&);
  void (*fluid)(const Field& field, const Field& out, const Field& workspace, const void* tables, const FluidTorus&,
                const FluidSymbol&, const Queue&);
  void (*fluid_symbol)(const Field& spectrum, const void* tables, const FluidSymbol&, const Queue&);
  void (*advance)(const Field& velocity, const Field& psi, const Field& out, double dt, Mode composition, const Queue&);
  void (*advance_gradient)(const Field& velocity, const Field& psi, const Field& grad, const Field& foot,
                           const Field& back, const Field& pulled, const Field& to_psi, const Field& to_velocity,
                           double dt, Mode composition, const Queue&);
  void (*follow)(const Field& velocity, const Field& phi, const Field& out, double dt, const Queue&);
  void (*follow_gradient)(const Field& velocity, const Field& phi, const Field& grad, const Field& middle,
                          const Field& at_middle, const Field& at_phi, const Field& to_velocity, double dt,
                          const Queue&);
  void (*update_inverse)(const Field& inverse, const Field& increment, const Field& out, int iterations,
                         double tolerance, Padding, const Queue&);
  void (*extract_patches)(const Field& image, const std::int64_t* corners, const Field& patches, const Queue&);
  void (*add_patches)(const Field& patches, const std::int64_t* corners, const Field& out, const double* scale,
                      const Queue&);
};

// The operators for a queue: CUDA's, or those of the best instruction set this processor has.
const Operators& operators_for(const Queue& queue);

// "avx2" or "baseline": what operators_for picks on the processor.
const char* processor_target();

}  // namespace qs
