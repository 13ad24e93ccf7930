// One target's operators (compiled once per target).
#include "ops/declarations.h"
#include "ops/operators.h"

namespace qs::QS_TARGET {

const Operators& operators() {
  static constexpr Operators table{
#define QS_OPERATOR(name, ...) name,
#include "ops/operators.def"
#undef QS_OPERATOR
  };
  return table;
}

}  // namespace qs::QS_TARGET
