#include "ops/operators.h"

#include <stdexcept>

namespace qs {

namespace cpu_baseline {
const Operators& operators();
}
#if defined(QS_HAVE_AVX2)
namespace cpu_avx2 {
const Operators& operators();
}
#endif
#if defined(QS_HAVE_CUDA) || defined(QS_EMULATE)
namespace cuda {
const Operators& operators();
}
#endif

#if !defined(QS_EMULATE)
namespace {

bool has_avx2() {
#if defined(QS_HAVE_AVX2)
  static const bool answer = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return answer;
#else
  return false;
#endif
}

}  // namespace
#endif

#if defined(QS_EMULATE)

const char* cpu_target() { return "emulated CUDA"; }

const Operators& operators_for(const Queue&) { return cuda::operators(); }

#else

const char* cpu_target() { return has_avx2() ? "avx2" : "baseline"; }

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
#if defined(QS_HAVE_AVX2)
  if (has_avx2()) {
    return cpu_avx2::operators();
  }
#endif
  return cpu_baseline::operators();
}

#endif

}  // namespace qs
