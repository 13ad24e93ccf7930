// The order in which the CPU's kernels take their pieces of work, where QS_TEST_ORDER is defined.
#include "order.h"

#include <utility>

namespace qs::cpu_test {

namespace {

enum class Order { forwards, backwards, shuffled };
Order order = Order::forwards;

}  // namespace

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

void Orders::operator()(const std::string& name, const std::vector<Output>& outputs,
                        const std::function<void(const Operators&, const Queue&)>& work) {
  const std::vector<Bytes> given = contents_of(outputs);
  std::vector<Bytes> first;
  for (const Order each : {Order::forwards, Order::backwards, Order::shuffled}) {
    for (const int threads : {1, 3}) {
      order = each;
      for (std::size_t n = 0; n < outputs.size(); ++n) {
        outputs[n].begin(given[n]);
      }
      work(operators_, Queue{-1, nullptr, threads});
      const std::vector<Bytes> found = contents_of(outputs);
      first = first.empty() ? found : first;
      for (std::size_t n = 0; n < outputs.size(); ++n) {
        expect(!outputs[n].compared || found[n] == first[n], name + " depends on the order");
      }
    }
  }
}

}  // namespace qs::cpu_test

namespace qs::cpu_wide {

std::int64_t ordered(std::int64_t piece, std::int64_t pieces) { return cpu_test::ordered(piece, pieces); }

}  // namespace qs::cpu_wide
