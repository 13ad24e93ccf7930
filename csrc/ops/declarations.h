// The functions of one target, which the files of this folder define: see operators.def.
#pragma once

#include "core/field.h"
#include "core/host_device.h"
#include "ops/fluid_symbol.h"

namespace qs::QS_TARGET {

#define QS_OPERATOR(name, ...) void name(__VA_ARGS__);
#include "ops/operators.def"
#undef QS_OPERATOR

}  // namespace qs::QS_TARGET
