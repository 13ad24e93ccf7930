// The table of operators that each target fills in, and the choice among targets.
#pragma once

#include "core/field.h"
#include "ops/fluid_symbol.h"

namespace qs {

struct Operators {
#define QS_OPERATOR(name, ...) void (*name)(__VA_ARGS__);
#include "ops/operators.def"
#undef QS_OPERATOR
};

// The operators for a queue: CUDA's, or those of the best instruction set that this CPU has.
const Operators& operators_for(const Queue& queue);

// "avx512", "avx2" or "baseline": what operators_for picks on the CPU.
const char* cpu_target();

}  // namespace qs
