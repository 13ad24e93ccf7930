// Every kernel body on exactly sized heap arrays (the address sanitizer sees any step outside), with displacements that
// leave the grid, are huge or are no numbers at all, and with the pieces of work taken forwards, backwards and shuffled
// by one and by three workers: each must give the same bits, or two pieces touch the same result. The transforms also
// with the registers of AVX-512, which the compiler makes of smaller ones where there are none.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "kernel_cases.h"
#include "order.h"

namespace qs::cpu_test {

const Operators& operators();

}  // namespace qs::cpu_test

namespace qs::cpu_wide {

std::remove_pointer_t<decltype(Operators::fluid)> fluid;

}  // namespace qs::cpu_wide

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
  const std::vector<std::string> share(words + 1, words + count);
  cpu_test::Orders check(cpu_test::operators());
  if (!run_kernels(check, share, true)) {
    std::printf("expected kernel_test 2|3 float|double\n");
    return 2;
  }
  expect_refusal(check, std::stoi(words[1]));
  Operators wide = cpu_test::operators();
  wide.fluid = cpu_wide::fluid;
  cpu_test::Orders check_wide(wide);
  run_kernels(check_wide, share, true, [](auto cases) { cases.smoothing(); });
  const int failures = check.failures + check_wide.failures;
  std::printf(failures == 0 ? "all kernels passed\n" : "%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
}
