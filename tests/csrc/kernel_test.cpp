// Every kernel body on exactly sized heap arrays (the address sanitizer sees any step outside), with displacements that
// leave the grid, are huge or are no numbers at all, and with the pieces of work taken forwards, backwards and shuffled
// by one and by three workers: each must give the same bits, or two pieces touch the same result.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "kernel_cases.h"
#include "order.h"

namespace qs::cpu_test {

const Operators& operators();

}  // namespace qs::cpu_test

namespace {

using namespace qs;

void expect_refusal(cpu_test::Orders& check, int dims) {
  const int shape[3] = {9, 8, 37};
  const Array<float> u(dims, 2, dims, shape), wrong(dims, 2, dims + 1, shape), out(dims, 2, dims, shape);
  bool refused = false;
  try {
    cpu_test::operators().Ad_star(wrong.field, u.field, out.field, Faces::half, Queue{-1, nullptr, 1});
  } catch (const std::invalid_argument& error) {
    refused = std::string(error.what()).rfind("Ad_star: momentum: ", 0) == 0;
  }
  check.expect(refused, "Ad_star accepts a momentum with too many components");
}

}  // namespace

// kernel_test DIMS TYPE: one share of the cases, so that shares can run side by side.
int main(int count, char** words) {
  cpu_test::Orders check;
  if (!run_kernels(check, {words + 1, words + count}, true)) {
    std::printf("expected kernel_test 2|3 float|double\n");
    return 2;
  }
  expect_refusal(check, std::stoi(words[1]));
  std::printf(check.failures == 0 ? "all kernels passed\n" : "%d checks failed\n", check.failures);
  return check.failures == 0 ? 0 : 1;
}
