// Kernels on the memory of a device, as compute-sanitizer watches them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "arrays.h"
#include "ops/operators.h"

namespace qs {

// Runs kernels on the first device, with arrays that are there for one call, exactly as large as they are and undefined
// where a kernel need not read; then, where outputs are compared, on the CPU.
class Device : public Failures {
 public:
  explicit Device(bool compared) : compared_(compared) {}

  void operator()(const std::string& name, const std::vector<Output>& outputs,
                  const std::function<void(const Operators&, const Queue&)>& work);

 private:
  bool compared_;
};

// How many there are.
int count_devices();

}  // namespace qs
