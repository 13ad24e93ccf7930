#include "device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace qs {

namespace {

void require_success(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": CUDA reported: " + cudaGetErrorString(status));
  }
}

// A copy of every array on the device, which its field describes for as long as this lives.
class OnDevice {
 public:
  explicit OnDevice(const std::vector<Output>& outputs) : outputs_(outputs) {
    for (Buffer* const buffer : Buffer::all()) {
      require_success(cudaMalloc(&buffer->field.data, buffer->bytes), "cudaMalloc");
      const auto output = std::find_if(outputs.begin(), outputs.end(), [&](auto& o) { return o.buffer == buffer; });
      const auto start = output == outputs.end() ? Output::Start::given : output->start;
      if (start == Output::Start::given) {
        copy(buffer->field.data, buffer->memory(), buffer->bytes, cudaMemcpyHostToDevice);
      } else if (start == Output::Start::zeros) {
        require_success(cudaMemset(buffer->field.data, 0, buffer->bytes), "cudaMemset");
      }
    }
  }
  ~OnDevice() {
    for (Buffer* const buffer : Buffer::all()) {
      cudaFree(buffer->field.data);
      buffer->field.data = buffer->memory();
    }
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  // Waits, and copies the outputs into their memory on the CPU.
  void bring_back() const {
    require_success(cudaDeviceSynchronize(), "a kernel");
    for (const Output& output : outputs_) {
      if (output.compared) {
        copy(output.buffer->memory(), output.buffer->field.data, output.buffer->bytes, cudaMemcpyDeviceToHost);
      }
    }
  }

 private:
  static void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    require_success(cudaMemcpy(to, from, bytes, kind), "cudaMemcpy");
  }

  const std::vector<Output>& outputs_;
};

}  // namespace

int count_devices() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

void Device::operator()(const std::string& name, const std::vector<Output>& outputs,
                        const std::function<void(const Operators&, const Queue&)>& work) {
  const std::vector<Bytes> given = contents_of(outputs);
  {
    const OnDevice there(outputs);
    const Queue queue{0, nullptr, 1};
    work(operators_for(queue), queue);
    there.bring_back();
  }
  if (!compared_) {
    return;
  }
  const std::vector<Bytes> found = contents_of(outputs);
  const Queue queue{-1, nullptr, 1};
  for (std::size_t n = 0; n < outputs.size(); ++n) {
    outputs[n].begin(given[n]);
  }
  work(operators_for(queue), queue);
  for (std::size_t n = 0; n < outputs.size(); ++n) {
    expect(!outputs[n].compared || outputs[n].buffer->agrees(found[n]), name + " differs from the CPU's");
  }
}

}  // namespace qs
