// Kernels of thread blocks that share memory, written as phases: for a GPU alone.
//
// A body is a small struct with a const call operator for one block. It never sees a thread: block.share(items, f) runs
// f for every item, spread over the block's threads, and ends with a barrier.
#pragma once

#include "core/parallel.h"

#include <cstddef>

#if defined(QS_GPU)
#define QS_DEVICE __device__ __forceinline__
#else
#define QS_DEVICE inline
#endif

namespace qs::QS_TARGET {

constexpr int warp_threads = 32;

struct Blocks {
  std::int64_t count;
  int threads;
  std::size_t shared;  // bytes of memory that the threads of a block share
};

// Chooses the threads per block so that a multiprocessor can hold as many blocks as its shared memory has room for,
// with `most` threads in all: the body's launch bound, which its registers allow. Each block costs 1 KB more than it
// asks for.
inline Blocks blocks_of(std::int64_t count, std::size_t shared, int block_memory, int most) {
  const int resident = static_cast<int>(static_cast<std::size_t>(block_memory) / (shared + 1024));
  const int threads = most / (resident > 1 ? resident : 1) / 32 * 32;
  return {count, threads < 128 ? 128 : threads, shared};
}

#if !defined(QS_GPU)

// Declared only: bodies of blocks must parse everywhere and are never instantiated for the CPU.
class Block {
 public:
  int index() const;
  template <class T>
  T* memory() const;
  template <class F>
  void share(int items, const F& f) const;
  template <int Lanes, class F>
  void share(int lines, int width, const F& f) const;
  template <int Lanes, class Load, class Store>
  void move(int lines, int width, const Load& load, const Store& store) const;
};

template <class Body>
void for_each_block(const Blocks& blocks, const Queue& queue, const Body& body);

#else

class Block {
 public:
  QS_DEVICE Block(int index, unsigned char* memory)
      : index_(index), memory_(memory), threads_(static_cast<int>(blockDim.x)) {}

  QS_DEVICE int index() const { return index_; }

  template <class T>
  QS_DEVICE T* memory() const {
    return reinterpret_cast<T*>(memory_);
  }

  // Runs f on every thread, then a barrier.
  template <class F>
  QS_DEVICE void each_thread(const F& f) const {
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
  }

  // Runs f(item) for every item, then a barrier. The loops are not unrolled: unrolled they would begin with a division.
  template <class F>
  QS_DEVICE void share(int items, const F& f) const {
    each_thread([&](int thread) QS_INLINE {
#pragma unroll 1
      for (int item = thread; item < items; item += threads_) {
        f(item);
      }
    });
  }

  // Runs f(line, k) for every line and every k < width, then a barrier. Neighbouring threads take neighbours of up to
  // Lanes along k; each keeps its k for all of its lines, so that what depends on k alone is computed once.
  template <int Lanes, class F>
  QS_DEVICE void share(int lines, int width, const F& f) const {
    each_lane<Lanes>(width, [&](int first, int step, int k) QS_INLINE {
#pragma unroll 1
      for (int line = first; line < lines; line += step) {
        f(line, k);
      }
    });
  }

  // Runs store(line, k, load(line, k)) likewise. Several loads are in flight before the first store; some are of lines
  // beyond the last, which load must accept.
  template <int Lanes, class Load, class Store>
  QS_DEVICE void move(int lines, int width, const Load& load, const Store& store) const {
    constexpr int batch = 4;
    each_lane<Lanes>(width, [&](int first, int step, int k) QS_INLINE {
#pragma unroll 1
      for (int line = first; line < lines; line += batch * step) {
        decltype(load(0, 0)) values[batch];
        unroll<batch>([&](auto n) QS_INLINE { values[n] = load(line + n * step, k); });
        unroll<batch>([&](auto n) QS_INLINE {
          if (line + n * step < lines) {
            store(line + n * step, k, values[n]);
          }
        });
      }
    });
  }

 private:
  // Runs f(first line, lines to the next, k) on every thread for each of its k, then a barrier.
  template <int Lanes, class F>
  QS_DEVICE void each_lane(int width, const F& f) const {
    each_thread([&](int thread) QS_INLINE {
      const int step = threads_ / Lanes;
      if (thread < step * Lanes) {
#pragma unroll 1
        for (int k = thread % Lanes; k < width; k += Lanes) {
          f(thread / Lanes, step, k);
        }
      }
    });
  }

  int index_;
  unsigned char* memory_;
  int threads_;
};

template <class Body>
__global__ void __launch_bounds__(Body::most_threads, 1) block_kernel(const Body body) {
  QS_SHARED_MEMORY(memory);
  body(Block(static_cast<int>(blockIdx.x), memory));
}

template <class Body>
void for_each_block(const Blocks& blocks, const Queue& queue, const Body& body) {
  if (blocks.count == 0) {
    return;
  }
  const DeviceGuard guard(queue.device);
  static std::atomic<std::uint64_t> allowed{0};
  allow_shared_memory(block_kernel<Body>, allowed);
  launch_kernel(block_kernel<Body>, dim3(static_cast<unsigned>(blocks.count)),
                dim3(static_cast<unsigned>(blocks.threads)), blocks.shared, queue, body);
}

#endif

}  // namespace qs::QS_TARGET
