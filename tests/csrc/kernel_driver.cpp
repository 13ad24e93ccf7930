// Every kernel of the CUDA target on the memory of a device, without Python: for compute-sanitizer, in seconds. Once
// with moderate displacements, whose results must be those of the CPU, and once with such as have no place, for what
// they read and write alone.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "device.h"
#include "kernel_cases.h"

namespace {

// How many checks fail; -1 where there are no such cases.
int run(const std::vector<std::string>& words) {
  int failures = 0;
  for (const bool wild : {false, true}) {
    qs::Device check(!wild);
    if (!qs::run_kernels(check, words, wild)) {
      std::printf("expected kernel_driver [2|3 float|double]\n");
      return -1;
    }
    failures += check.failures;
  }
  std::printf("%s-D, %s: %d checks failed\n", words[0].c_str(), words[1].c_str(), failures);
  std::fflush(stdout);
  return failures;
}

}  // namespace

// kernel_driver [DIMS TYPE]: all, or one share of the cases.
int main(int count, char** words) try {
  if (qs::count_devices() == 0) {
    std::printf("kernel_driver: expected a CUDA device, found none; run it where nvidia-smi lists one\n");
    return 2;
  }
  std::vector<std::vector<std::string>> shares{{"2", "float"}, {"3", "float"}, {"2", "double"}, {"3", "double"}};
  if (count > 1) {
    shares = {{words + 1, words + count}};
  }
  bool ok = true;
  for (const auto& share : shares) {
    ok = run(share) == 0 && ok;
  }
  return ok ? 0 : 1;
} catch (const std::exception& error) {
  std::printf("kernel_driver: %s\n", error.what());
  return 1;
}
