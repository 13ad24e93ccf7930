// Every kernel of the CUDA target on the memory of a device, without Python: for compute-sanitizer, in seconds. Once
// with moderate displacements, whose results must be those of the CPU, and once with such as have no place, for what
// they read and write alone.
#include <cstdio>
#include <exception>

#include "device.h"
#include "kernel_cases.h"

// kernel_driver DIMS TYPE
int main(int count, char** words) try {
  if (qs::count_devices() == 0) {
    std::printf("kernel_driver: expected a CUDA device, found none; run it where nvidia-smi lists one\n");
    return 2;
  }
  int failures = 0;
  for (const bool wild : {false, true}) {
    qs::Device check(!wild);
    if (!qs::run_kernels(check, {words + 1, words + count}, wild)) {
      std::printf("expected kernel_driver 2|3 float|double\n");
      return 2;
    }
    failures += check.failures;
  }
  std::printf(failures == 0 ? "all kernels passed\n" : "%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::printf("kernel_driver: %s\n", error.what());
  return 1;
}
