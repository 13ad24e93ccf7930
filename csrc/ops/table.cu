// One target's operators (compiled once per target).
#include "ops/adjoint.h"
#include "ops/fluid.h"
#include "ops/geodesic.h"
#include "ops/invert.h"
#include "ops/jacobian.h"
#include "ops/operators.h"
#include "ops/patches.h"
#include "ops/splat.h"
#include "ops/warp.h"

namespace qs::QS_TARGET {

const Operators& operators() {
  static constexpr Operators table{
      warp,
      warp_labels,
      warp_displacement_gradient,
      compose,
      splat,
      invert,
      invert_gradient,
      jacobian_determinant,
      jacobian_determinant_gradient,
      jacobian_transpose,
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
