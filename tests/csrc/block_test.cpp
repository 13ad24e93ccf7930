// The kernels whose threads share memory, with real threads: ThreadSanitizer reports a barrier that lacks. With the
// argument --without-barriers a control, which it must report.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/declarations.h"
#include "threads.h"
#include "transform_tables.h"

namespace {

using namespace qs;

constexpr int shape[3] = {2, 4, 9};

Field field_of(std::vector<float>& values, int dims, std::int64_t channels, int last) {
  return {values.data(), DType::float32, dims, 1, channels, {shape[0], dims == 3 ? shape[1] : 1, last}};
}

// Smooths a field on a torus of an odd radix and an even one.
bool smooths(int dims, bool half, int block_memory) {
  const int middle = dims == 3 ? 6 : 1;
  const int kept1 = half ? (middle + 1) / 2 : middle, kept2 = half ? 3 : 6;
  const FluidTorus torus{{7, middle, 10}, {kept1, kept2}, block_memory};
  const int rest = std::max(dims == 3 ? shape[1] : 1, kept1) * ((kept2 + 15) / 16 * 16),
            rows = dims == 3 ? shape[1] : 1;
  std::vector<float> field(static_cast<std::size_t>(dims * shape[0] * rows * shape[2]), 1.0f), out(field.size());
  std::vector<float> workspace(static_cast<std::size_t>(2 * dims * shape[0] * rest),
                               std::numeric_limits<float>::quiet_NaN());
  field[3] = -20;
  Field work = field_of(workspace, 2, dims, rest);
  const std::vector<float> tables = transform_tables<float>(torus, dims, true);
  cuda::fluid(field_of(field, dims, dims, shape[2]), field_of(out, dims, dims, shape[2]), work, tables.data(), torus,
              {0.01, 0.01, 0.001, 2, true, {1, 1, 1}}, Queue{0, nullptr, 1});
  const float sum = std::accumulate(out.begin(), out.end(), 0.0f);
  return std::isfinite(sum) && sum != 0;
}

}  // namespace

int main(int count, char** arguments) {
  emulation::barriers_wait = count < 2 || std::strcmp(arguments[1], "--without-barriers") != 0;
  bool ok = true;
  // Memory for whole slabs, and for less than one: then the middle axis has a launch of its own.
  for (const int block_memory : {1 << 20, 300}) {
    ok = smooths(3, block_memory == 300, block_memory) && ok;
  }
  ok = smooths(2, true, 1 << 20) && ok;
  std::printf(ok ? "all blocks passed\n" : "FAILED: a result is no number, or nothing\n");
  return ok ? 0 : 1;
}
