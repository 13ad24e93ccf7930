// One target's operators (compiled once per target).
#include "ops/adjoint.h"
#include "ops/fluid.h"
#include "ops/geodesic.h"
#include "ops/gradient.h"
#include "ops/invert.h"
#include "ops/jacobian.h"
#include "ops/labels.h"
#include "ops/operators.h"
#include "ops/patches.h"
#include "ops/similarity.h"
#include "ops/splat.h"
#include "ops/tangent.h"
#include "ops/warp.h"

namespace qs::QS_TARGET {

const Operators& operators() {
  static constexpr Operators table{
      warp,
      warp_bits,
      warp_labels,
      warp_displacement_gradient,
      compose,
      splat,
      invert,
      invert_gradient,
      jacobian_determinant,
      jacobian_determinant_gradient,
      gradient,
      gradient_transpose,
      divergence,
      divergence_transpose,
      warp_residual,
      warp_tangent,
      splat_tangent,
      warp_hessian,
      ad,
      ad_star,
      Ad_star,
      Ad_star_gradient,
      fluid,
      fluid_symbol,
      advance,
      advance_gradient,
      follow,
      follow_gradient,
      update_inverse,
      extract_patches,
      add_patches,
  };
  return table;
}

}  // namespace qs::QS_TARGET
