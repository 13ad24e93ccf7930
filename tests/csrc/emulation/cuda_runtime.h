// What csrc uses of the CUDA runtime, on the CPU: the branches written for a GPU run with their own launch geometry,
// barriers, shared memory, atomics and launch limits. Threads of a block are fibers (fibers.cpp) or, for
// ThreadSanitizer, real threads (threads.cpp).
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

using std::sqrt;

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

typedef void* cudaStream_t;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidConfiguration = 9 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };

namespace emulation {

// What a running thread knows of itself.
struct Thread {
  dim3 thread, block, threads, blocks;
  unsigned char* shared;
};
extern thread_local Thread current;

// The barrier of the current thread's block.
void wait();

// Runs `run` once for each thread of each block, with `current` set; or leaves an error for cudaGetLastError where a
// device would refuse the launch. A kernel without shared memory may have no barrier.
void launch(dim3 blocks, dim3 threads, std::size_t shared, const void* kernel, const std::function<void()>& run);

cudaError_t allow_shared_memory(const void* kernel, int bytes);
cudaError_t take_error();

// What was asked of the runtime: the device that is current in a thread, how often one was set, and how often shared
// memory was allowed.
struct Devices {
  int current, switches;
};
extern thread_local Devices devices;
extern std::atomic<int> requests;

void* allocate(std::size_t bytes);
void release(void* memory);

constexpr int block_memory = 227 * 1024;  // an H100's

}  // namespace emulation

#define threadIdx (emulation::current.thread)
#define blockIdx (emulation::current.block)
#define blockDim (emulation::current.threads)
#define gridDim (emulation::current.blocks)
#define __syncthreads() emulation::wait()

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute, int bytes) {
  return emulation::allow_shared_memory(reinterpret_cast<const void*>(kernel), bytes);
}
inline cudaError_t cudaGetLastError() { return emulation::take_error(); }
inline cudaError_t cudaGetDevice(int* device) {
  *device = emulation::devices.current;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  emulation::devices = {device, emulation::devices.switches + 1};
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = emulation::block_memory;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
inline cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = emulation::allocate(bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
  emulation::release(memory);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemset(void* memory, int byte, std::size_t bytes) {
  std::memset(memory, byte, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorInvalidValue ? "invalid argument" : "invalid configuration argument";
}

template <class T>
T atomicAdd(T* address, T value) {
  T old, sum;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  do {
    sum = old + value;
  } while (!__atomic_compare_exchange(address, &old, &sum, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
