#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "blocks.h"

namespace emulation {

thread_local Thread current;
thread_local Devices devices{0, 0};
std::atomic<int> requests{0};

namespace {

constexpr std::size_t default_memory = 48 * 1024, canary = 64;
constexpr int canary_byte = 0xA5;

std::mutex mutex;  // launches of several threads take turns
std::map<const void*, int> allowed;
std::map<const void*, std::unique_ptr<Memory>> allocated;
thread_local cudaError_t error = cudaSuccess;

// The limits of compute capability 8.0 and 9.0.
cudaError_t check(const Launch& launch, const void* kernel) {
  const dim3 &b = launch.blocks, &t = launch.threads;
  if (launch.block_count() == 0 || b.x > 0x7fffffffu || b.y > 65535 || b.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  if (t.x > 1024 || t.y > 1024 || t.z > 64 || launch.thread_count() == 0 || launch.thread_count() > 1024) {
    return cudaErrorInvalidConfiguration;
  }
  const auto found = allowed.find(kernel);
  const std::size_t limit = found == allowed.end() ? default_memory : static_cast<std::size_t>(found->second);
  return launch.shared > limit ? cudaErrorInvalidValue : cudaSuccess;
}

}  // namespace

Thread Launch::thread(std::uint64_t block, unsigned thread, unsigned char* memory) const {
  const auto index = static_cast<unsigned>(block / blocks.x);
  return {dim3(thread % threads.x, thread / threads.x % threads.y, thread / threads.x / threads.y),
          dim3(static_cast<unsigned>(block % blocks.x), index % blocks.y, index / blocks.y), threads, blocks, memory};
}

void launch(dim3 blocks, dim3 threads, std::size_t shared, const void* kernel, const std::function<void()>& run) {
  const std::lock_guard<std::mutex> lock(mutex);
  const Launch all{blocks, threads, shared, run};
  error = check(all, kernel);
  if (error == cudaSuccess) {
    run_blocks(all);
  }
}

cudaError_t allow_shared_memory(const void* kernel, int bytes) {
  if (bytes < 0 || bytes > block_memory) {
    return cudaErrorInvalidValue;
  }
  const std::lock_guard<std::mutex> lock(mutex);
  allowed[kernel] = bytes;
  ++requests;
  return cudaSuccess;
}

cudaError_t take_error() { return std::exchange(error, cudaSuccess); }

void* allocate(std::size_t bytes) {
  auto memory = std::make_unique<Memory>(bytes);
  void* const first = memory->data();
  allocated[first] = std::move(memory);
  return first;
}

void release(void* memory) { allocated.erase(memory); }

Memory::Memory(std::size_t bytes)
    : bytes_(bytes), memory_(static_cast<unsigned char*>(std::aligned_alloc(64, (bytes + canary + 63) / 64 * 64))) {
  std::memset(memory_, 0xff, bytes);
  std::memset(memory_ + bytes, canary_byte, canary);
}

Memory::~Memory() {
  for (std::size_t n = 0; n < canary; ++n) {
    if (memory_[bytes_ + n] != canary_byte) {
      stop("a kernel wrote beyond its memory");
    }
  }
  std::free(memory_);
}

void stop(const char* message) {
  std::fprintf(stderr, "emulation: %s\n", message);
  std::abort();
}

}  // namespace emulation
