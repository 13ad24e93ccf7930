#include "core/divider.h"

namespace qs {

Divider divider(int divisor) {
  const auto d = static_cast<std::uint64_t>(divisor);
  int shift = 0;
  while ((std::uint64_t(1) << shift) < d) {
    ++shift;
  }
  return {divisor, static_cast<std::uint32_t>(((std::uint64_t(1) << (31 + shift)) + d - 1) / d), shift};
}

}  // namespace qs
