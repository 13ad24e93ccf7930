// The threads of a block as fibers of one thread, blocks and threads in an order shuffled anew for every launch and
// after every barrier.
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "blocks.h"

namespace emulation {

namespace {

constexpr std::size_t stack_bytes = 128 * 1024;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[stack_bytes]};
  Thread identity;
  bool done;
};

std::mt19937 random_order(1);
std::vector<std::unique_ptr<Fiber>> fibers;
ucontext_t scheduler;
Fiber* running = nullptr;
const std::function<void()>* work;

template <class T>
std::vector<T> shuffled(T count) {
  std::vector<T> order(count);
  std::iota(order.begin(), order.end(), T(0));
  std::shuffle(order.begin(), order.end(), random_order);
  return order;
}

void enter() {
  (*work)();
  running->done = true;
  swapcontext(&running->context, &scheduler);
}

void start(Fiber& fiber, const Thread& identity) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = stack_bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
  fiber.identity = identity;
  fiber.done = false;
}

// Runs every thread to its next barrier, or to its end, and returns how many have ended.
unsigned run_to_barrier(unsigned threads) {
  unsigned done = 0;
  for (const unsigned t : shuffled(threads)) {
    running = fibers[t].get();
    current = running->identity;
    swapcontext(&scheduler, &running->context);
    done += running->done ? 1 : 0;
  }
  running = nullptr;
  return done;
}

void run_with_barriers(const Launch& launch, std::uint64_t block) {
  const Memory memory(launch.shared);
  const unsigned threads = launch.thread_count();
  while (fibers.size() < threads) {
    fibers.push_back(std::make_unique<Fiber>());
  }
  for (unsigned t = 0; t < threads; ++t) {
    start(*fibers[t], launch.thread(block, t, memory.data()));
  }
  unsigned done = 0;
  while (done == 0) {
    done = run_to_barrier(threads);
  }
  if (done != threads) {
    stop("some threads of a block wait at a barrier that others do not reach");
  }
}

}  // namespace

void wait() {
  if (running == nullptr) {
    stop("a kernel without shared memory has a barrier");
  }
  swapcontext(&running->context, &scheduler);
}

void run_blocks(const Launch& launch) {
  work = &launch.run;
  const std::vector<unsigned> threads = shuffled(launch.thread_count());
  for (const std::uint64_t block : shuffled(launch.block_count())) {
    if (launch.shared > 0) {
      run_with_barriers(launch, block);
      continue;
    }
    for (const unsigned t : threads) {
      current = launch.thread(block, t, nullptr);
      launch.run();
    }
  }
}

}  // namespace emulation
