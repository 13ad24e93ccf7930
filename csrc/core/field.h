// The arguments of every operator: where a field lies, how large it is, and where to work on it.
//
// Plain data without member functions: these types cross from one target to another (see host_device.h).
#pragma once

#include <cstdint>

namespace qs {

enum class DType : int { float32, float64, bits8, bits16, bits32, bits64 };

// A contiguous (batch, channels, *shape) array. A 2-D field (X, Y) is kept as (X, 1, Y), so that axis 0 is always
// the outermost and axis 2 the contiguous one.
struct Field {
  void* data;
  DType dtype;
  int dims;  // 2 or 3
  std::int64_t batch;
  std::int64_t channels;
  int shape[3];
};

// Where to work: a CUDA device and stream, or (device < 0) this many CPU threads.
struct Queue {
  int device;
  void* stream;
  int threads;
};

enum class Mode : int { nearest, linear, cubic };
// What an image is outside its grid: its border value; zero; its mirror image about the border samples, and that of the
// mirror image; or itself again.
enum class Padding : int { border, zeros, reflect, wrap };
// The stencil on the first and last sample of an axis: the one-sided difference, or half of it (PyCA's "clamp").
enum class Faces : int { one_sided, half };

struct Sampling {
  Mode mode;
  Padding padding;
};

}  // namespace qs
