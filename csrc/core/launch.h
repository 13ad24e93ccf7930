// The launch of a kernel, the memory that its blocks share, and the device it runs on; the only file that launches.
//
// Under nvcc these are CUDA's; elsewhere those of an emulation that tests/csrc brings under the runtime's name.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#if defined(__CUDACC__)
#define QS_SHARED_MEMORY(name) extern __shared__ __align__(16) unsigned char name[]
#else
#define QS_SHARED_MEMORY(name) unsigned char* const name = emulation::current.shared
#endif

namespace qs::QS_TARGET {

inline void check_cuda(cudaError_t status) {
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string("quicksilver: CUDA reported: ") + cudaGetErrorString(status));
  }
}

// Makes a device current and the former one again. Nothing where it is current already: merely setting a device makes a
// context on it.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
    check_cuda(cudaGetDevice(&previous_));
    switched_ = device != previous_;
    if (switched_) {
      check_cuda(cudaSetDevice(device));
    }
  }
  ~DeviceGuard() {
    if (switched_) {
      cudaSetDevice(previous_);
    }
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_ = 0;
  bool switched_ = false;
};

// Lets a kernel use all the shared memory of the current device; without, it has 48 KB. Once for a kernel and device,
// never less: another thread could launch a larger block between the request of a smaller one and its launch.
template <class... Parameters>
void allow_shared_memory(void (*kernel)(Parameters...), std::atomic<std::uint64_t>& devices) {
  int device = 0, most = 0;
  check_cuda(cudaGetDevice(&device));
  const std::uint64_t bit = device < 64 ? std::uint64_t(1) << device : 0;
  if ((devices.load() & bit) != 0) {
    return;
  }
  check_cuda(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  devices |= bit;
}

// Launches a kernel on the current device, in the queue's stream.
template <class... Parameters>
void launch_kernel(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, std::size_t shared, const Queue& queue,
                   const Parameters&... arguments) {
#if defined(__CUDACC__)
  kernel<<<blocks, threads, shared, static_cast<cudaStream_t>(queue.stream)>>>(arguments...);
#else
  static_cast<void>(queue);
  emulation::launch(blocks, threads, shared, reinterpret_cast<const void*>(kernel), [&] { kernel(arguments...); });
#endif
  check_cuda(cudaGetLastError());
}

}  // namespace qs::QS_TARGET
