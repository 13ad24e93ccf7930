#include "ops/operators.h"

#include <stdexcept>
#include <type_traits>

namespace qs {

#if defined(QS_HAVE_CUDA) || defined(QS_EMULATE)
namespace cuda {
const Operators& operators();
}
#endif

#if defined(QS_EMULATE)

const char* cpu_target() { return "emulated CUDA"; }

const Operators& operators_for(const Queue&) { return cuda::operators(); }

#else

namespace cpu_baseline {
const Operators& operators();
}
#if defined(QS_X86)
namespace cpu_avx2 {
const Operators& operators();
}
namespace cpu_avx512 {
std::remove_pointer_t<decltype(Operators::fluid)> fluid;
}
#endif

namespace {

struct Target {
  const char* name;
  Operators operators;
};

Target find_target() {
#if defined(QS_X86)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    Target target{"avx2", cpu_avx2::operators()};
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      target.name = "avx512";
      target.operators.fluid = cpu_avx512::fluid;
    }
    return target;
  }
#endif
  return {"baseline", cpu_baseline::operators()};
}

const Target& this_target() {
  static const Target target = find_target();
  return target;
}

}  // namespace

const char* cpu_target() { return this_target().name; }

const Operators& operators_for(const Queue& queue) {
  if (queue.device >= 0) {
#if defined(QS_HAVE_CUDA)
    return cuda::operators();
#else
    throw std::runtime_error(
        "quicksilver_ext: expected a core built with CUDA for a CUDA tensor, found one built without; reinstall with "
        "nvcc on the path (QS_CUDA=ON) or move the tensor to the CPU");
#endif
  }
  return this_target().operators;
}

#endif

}  // namespace qs
