// How the blocks of a launch are run: by fibers or by threads, whichever is linked.
#pragma once

#include <cstdint>

#include "cuda_runtime.h"

namespace emulation {

struct Launch {
  dim3 blocks, threads;
  std::size_t shared;
  const std::function<void()>& run;

  std::uint64_t block_count() const { return std::uint64_t(blocks.x) * blocks.y * blocks.z; }
  unsigned thread_count() const { return threads.x * threads.y * threads.z; }
  Thread thread(std::uint64_t block, unsigned thread, unsigned char* memory) const;
};

void run_blocks(const Launch& launch);

// Memory of a block or of the device: no numbers at first, and it ends where a write beyond it shows.
class Memory {
 public:
  explicit Memory(std::size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  unsigned char* data() const { return memory_; }

 private:
  std::size_t bytes_;
  unsigned char* memory_;
};

[[noreturn]] void stop(const char* message);

}  // namespace emulation
