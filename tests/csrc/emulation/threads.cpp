// The threads of a block as real threads, for ThreadSanitizer; two blocks at once.
#include "threads.h"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "blocks.h"

namespace emulation {

bool barriers_wait = true;

namespace {

thread_local pthread_barrier_t* barrier;

class RunningBlock {
 public:
  RunningBlock(const Launch& launch, std::uint64_t block) : memory_(launch.shared) {
    pthread_barrier_init(&barrier_, nullptr, launch.thread_count());
    for (unsigned t = 0; t < launch.thread_count(); ++t) {
      threads_.emplace_back([this, &launch, block, t] {
        current = launch.thread(block, t, memory_.data());
        barrier = &barrier_;
        launch.run();
      });
    }
  }
  ~RunningBlock() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    pthread_barrier_destroy(&barrier_);
  }
  RunningBlock(const RunningBlock&) = delete;
  RunningBlock& operator=(const RunningBlock&) = delete;

 private:
  Memory memory_;
  pthread_barrier_t barrier_;
  std::vector<std::thread> threads_;
};

}  // namespace

void wait() {
  if (barriers_wait) {
    pthread_barrier_wait(barrier);
  }
}

void run_blocks(const Launch& launch) {
  for (std::uint64_t block = 0; block < launch.block_count(); block += 2) {
    const RunningBlock first(launch, block);
    std::unique_ptr<RunningBlock> second;
    if (block + 1 < launch.block_count()) {
      second = std::make_unique<RunningBlock>(launch, block + 1);
    }
  }
}

}  // namespace emulation
