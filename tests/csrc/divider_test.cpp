// Division by a multiplication is exact: every dividend below 2^31, at the ends of the quotients of many divisors.
#include <cstdint>
#include <cstdio>

#include "core/fft/blocks.h"

namespace {

bool divides(int divisor) {
  const qs::Divider by = qs::divider(divisor);
  const int last = INT32_MAX / divisor;
  for (const int quotient : {0, 1, last / 2, last - 1, last}) {
    const std::int64_t first = std::int64_t(quotient) * divisor;
    for (const std::int64_t n : {first, first + divisor - 1, std::int64_t(INT32_MAX)}) {
      if (n >= 0 && n <= INT32_MAX && qs::QS_TARGET::quotient(static_cast<int>(n), by) != n / divisor) {
        std::printf("FAILED %lld / %d\n", static_cast<long long>(n), divisor);
        return false;
      }
    }
  }
  return true;
}

}  // namespace

int main() {
  bool ok = true;
  for (int divisor = 1; divisor < 5000; ++divisor) {
    ok = divides(divisor) && divides(divisor * 429497) && divides(INT32_MAX - divisor) && ok;
  }
  return ok ? 0 : 1;
}
