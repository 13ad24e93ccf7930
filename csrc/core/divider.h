// Division by a number known only at run time, as a multiplication and a shift: plain data that the host makes and a
// kernel receives by value (see quotient in core/fft/blocks.h).
#pragma once

#include <cstdint>

namespace qs {

struct Divider {
  int divisor;
  std::uint32_t reciprocal;  // 2^(31 + shift) / divisor, rounded up: exact for all dividends below 2^31
  int shift;                 // binary digits of divisor - 1
};

Divider divider(int divisor);

}  // namespace qs
