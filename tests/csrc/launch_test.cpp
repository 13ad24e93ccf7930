// What a launch asks of the runtime, in the emulation, which counts: devices that are current are not set, a kernel's
// shared memory is allowed once and never less, axes longer than a launch has blocks are walked.
#include <cstdio>
#include <exception>
#include <thread>
#include <vector>

#include "core/block.h"

namespace {

using namespace qs;
using namespace qs::cuda;

int failures = 0;

void expect(bool ok, const char* what) {
  if (!ok) {
    ++failures;
    std::printf("FAILED %s\n", what);
  }
}

struct Count {
  static constexpr Loop loop = Loop::plain;
  unsigned char* visits;
  int voxels;
  QS_HD void operator()(const Voxel& v) const { ++visits[v.batch * voxels + v.offset]; }
};

struct Idle {
  static constexpr int most_threads = 32;
  QS_DEVICE void operator()(const Block& block) const {
    block.share(1, [&](int) { *block.memory<char>() = 0; });
  }
};

void devices() {
  emulation::devices = {};
  {
    const DeviceGuard current(0);
  }
  expect(emulation::devices.switches == 0, "a device that is current is set");
  {
    const DeviceGuard other(3);
    expect(emulation::devices.current == 3, "a device is not set");
  }
  expect(emulation::devices.current == 0 && emulation::devices.switches == 2, "the former device is not set again");
}

// Small blocks and large ones, by two threads at once: the emulation refuses a block larger than what was allowed last.
void shared_memory() {
  const auto launch_blocks = [](std::size_t shared) {
    for (int n = 0; n < 200; ++n) {
      for_each_block(Blocks{1, 32, shared}, Queue{0, nullptr, 1}, Idle{});
    }
  };
  emulation::requests = 0;
  std::thread small(launch_blocks, 1024);
  launch_blocks(200 * 1024);
  small.join();
  expect(emulation::requests >= 1 && emulation::requests <= 2, "shared memory is asked for more than once");
}

void long_axes() {
  constexpr int most = 8 * 65535 + 3;  // more rows than a launch has blocks of 8 rows, along its second axis
  for (const Grid& grid :
       {Grid{{{1, most, 1}}, 1}, Grid{{{most, 1, 1}}, 1}, Grid{{{1, 1, most}}, 1}, Grid{{{1, 1, 1}}, most}}) {
    std::vector<unsigned char> visits(most, 0);
    for_each_voxel(grid, Queue{0, nullptr, 1}, Count{visits.data(), grid.extent.voxels()});
    expect(visits == std::vector<unsigned char>(most, 1), "a voxel of a long axis is not visited once");
  }
}

}  // namespace

int main() try {
  devices();
  shared_memory();
  long_axes();
  std::printf(failures == 0 ? "all launches passed\n" : "%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::printf("FAILED %s\n", error.what());
  return 1;
}
