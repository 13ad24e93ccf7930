// quicksilver_ext._core: addresses and sizes in, operators run, the interpreter lock released meanwhile.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/fft/plan.h"
#include "core/pages.h"
#include "ops/operators.h"

#if defined(QS_HAVE_CUDA)
#include <cuda_runtime_api.h>
#endif

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace py = pybind11;
using namespace qs;

namespace {

Field make_field(std::uintptr_t data, DType dtype, const py::tuple& shape) {
  const int dims = static_cast<int>(shape.size()) - 2;
  if (dims != 2 && dims != 3) {
    throw std::invalid_argument("field: shape: expected (B, C, X, Y) or (B, C, X, Y, Z), found " +
                                std::to_string(shape.size()) + " axes; pass a batched 2-D or 3-D tensor");
  }
  Field f{reinterpret_cast<void*>(data), dtype,    dims, shape[0].cast<std::int64_t>(),
          shape[1].cast<std::int64_t>(), {1, 1, 1}};
  double volume = 1;
  for (int c = 0; c < dims; ++c) {
    f.shape[dims == 3 ? c : 2 * c] = shape[2 + c].cast<int>();
    volume *= f.shape[dims == 3 ? c : 2 * c];
  }
  if (volume > std::numeric_limits<std::int32_t>::max() / 2) {
    throw std::invalid_argument("field: shape: expected fewer than 2^30 voxels in one volume, found " +
                                std::to_string(volume) + "; split the volume");
  }
  return f;
}

// What Python passes for an argument: the argument itself, or for a pointer an address, as a number.
template <class Arg>
using Passed = std::conditional_t<std::is_pointer_v<Arg>, std::uintptr_t, Arg>;

template <class Arg>
Arg received(Passed<Arg> argument) {
  if constexpr (std::is_pointer_v<Arg>) {
    return reinterpret_cast<Arg>(argument);
  } else {
    return argument;
  }
}

// Binds one entry of the operator table; the queue is the last argument.
template <class... Args>
auto bound(void (*Operators::*entry)(Args...)) {
  return [entry](Passed<Args>... args) {
    const Queue& queue = std::get<sizeof...(Args) - 1>(std::tie(args...));
    (operators_for(queue).*entry)(received<Args>(args)...);
  };
}

// The frequency at each place of a transform's order on the CPU or on a GPU; empty where the length has no plan.
std::vector<int> fluid_order(int length, [[maybe_unused]] bool gpu) {
#if defined(QS_EMULATE)
  gpu = true;
#endif
  std::vector<int> order;
  if (has_plan(length)) {
    const Plan plan = plan_of(length, length, gpu);
    for (int place = 0; place < length; ++place) {
      order.push_back(frequency_at(plan, place));
    }
  }
  return order;
}

// Bytes of shared memory that a block of a device may have; on the CPU what an H100 has.
int block_memory([[maybe_unused]] int device) {
  int bytes = 227 * 1024;
#if defined(QS_HAVE_CUDA)
  if (device >= 0 && cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess) {
    throw std::runtime_error("block_memory: device: expected the number of a CUDA device, found " +
                             std::to_string(device) + "; see torch.cuda.device_count()");
  }
#endif
  return bytes;
}

py::dict build_info() {
  py::dict info;
  info["version"] = QS_VERSION;
  info["compiler"] = QS_COMPILER;
  info["processor_target"] = cpu_target();
  info["cuda_compiler"] = QS_CUDA_COMPILER;
  info["cuda_architectures"] = QS_CUDA_ARCHITECTURES;
#if defined(QS_HAVE_CUDA)
  int devices = 0;
  info["cuda_devices"] = cudaGetDeviceCount(&devices) == cudaSuccess ? devices : 0;
#else
  info["cuda_devices"] = 0;
#endif
  return info;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "Compiled operators of quicksilver_ext: they take addresses, sizes and a queue.";

  py::enum_<DType>(m, "DType")
      .value("float32", DType::float32)
      .value("float64", DType::float64)
      .value("bits8", DType::bits8)
      .value("bits16", DType::bits16)
      .value("bits32", DType::bits32)
      .value("bits64", DType::bits64);
  py::enum_<Mode>(m, "Mode").value("nearest", Mode::nearest).value("linear", Mode::linear).value("cubic", Mode::cubic);
  py::enum_<Padding>(m, "Padding")
      .value("border", Padding::border)
      .value("zeros", Padding::zeros)
      .value("reflect", Padding::reflect)
      .value("wrap", Padding::wrap);
  py::enum_<Faces>(m, "Faces").value("one_sided", Faces::one_sided).value("half", Faces::half);

  py::class_<Field>(m, "Field").def(py::init(&make_field), py::arg("data"), py::arg("dtype"), py::arg("shape"));
  py::class_<Queue>(m, "Queue")
      .def(py::init([](int device, std::uintptr_t stream, int threads) {
             return Queue{device, reinterpret_cast<void*>(stream), threads};
           }),
           py::arg("device"), py::arg("stream"), py::arg("threads"));
  py::class_<Sampling>(m, "Sampling")
      .def(py::init([](Mode mode, Padding padding) { return Sampling{mode, padding}; }), py::arg("mode"),
           py::arg("padding"));
  py::class_<FluidSymbol>(m, "FluidSymbol")
      .def(py::init(
               [](double alpha, double beta, double gamma, int power, bool inverse, double scale0, double scale1,
                  double scale2) { return FluidSymbol{alpha, beta, gamma, power, inverse, {scale0, scale1, scale2}}; }),
           py::arg("alpha"), py::arg("beta"), py::arg("gamma"), py::arg("power"), py::arg("inverse"), py::arg("scale0"),
           py::arg("scale1"), py::arg("scale2"));

  py::class_<FluidTorus>(m, "FluidTorus")
      .def(py::init([](int size0, int size1, int size2, int kept1, int kept2, int memory) {
             return FluidTorus{{size0, size1, size2}, {kept1, kept2}, memory};
           }),
           py::arg("size0"), py::arg("size1"), py::arg("size2"), py::arg("kept1"), py::arg("kept2"),
           py::arg("block_memory"));

  const py::call_guard<py::gil_scoped_release> unlocked;
#define QS_OPERATOR(name, ...) m.def(#name, bound(&Operators::name), unlocked);
#include "ops/operators.def"
#undef QS_OPERATOR

  m.def("fluid_order", &fluid_order, py::arg("length"), py::arg("gpu"));
  m.def("block_memory", &block_memory);
  m.def("prefer_huge_pages",
        [](std::uintptr_t data, std::size_t bytes) { prefer_huge_pages(reinterpret_cast<void*>(data), bytes); });
  m.def("build_info", &build_info);
}
