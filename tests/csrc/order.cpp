// The order in which the CPU's kernels take their pieces of work, where QS_TEST_ORDER is defined.
#include "order.h"

#include <utility>

namespace qs::cpu_test {

std::int64_t ordered(std::int64_t piece, std::int64_t pieces) {
  switch (order) {
    case Order::forwards:
      return piece;
    case Order::backwards:
      return pieces - 1 - piece;
    default: {
      // A permutation: a multiplier coprime to the number of pieces.
      std::int64_t step = pieces / 2 + 1;
      const auto gcd = [](std::int64_t a, std::int64_t b) {
        while (b != 0) {
          a = std::exchange(b, a % b);
        }
        return a;
      };
      while (gcd(step, pieces) != 1) {
        ++step;
      }
      return (piece * step + pieces / 3) % pieces;
    }
  }
}

}  // namespace qs::cpu_test
