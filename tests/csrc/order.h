// What a kernel computes must not depend on the order of its pieces of work, nor on who does them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "arrays.h"
#include "ops/operators.h"

namespace qs::cpu_test {

std::int64_t ordered(std::int64_t piece, std::int64_t pieces);

// Runs kernels with their pieces forwards, backwards and shuffled, by one worker and by three; the outputs must have
// the same bits each time.
class Orders : public Failures {
 public:
  explicit Orders(const Operators& operators) : operators_(operators) {}

  void operator()(const std::string& name, const std::vector<Output>& outputs,
                  const std::function<void(const Operators&, const Queue&)>& work);

 private:
  const Operators& operators_;
};

}  // namespace qs::cpu_test
