// Argument checks. Each failure is one sentence that names operator and argument; the bindings turn it into ValueError.
//
// Only comparisons are inline: text is made in check.cpp, which is compiled once for the baseline CPU, because
// the linker may merge inline standard-library code across targets (see host_device.h).
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs {

[[noreturn]] void fail(const char* op, const char* argument, const Field& found, const char* expected);

}  // namespace qs

namespace qs::QS_TARGET {

inline void require(bool ok, const char* op, const char* argument, const Field& found, const char* expected) {
  if (!ok) {
    fail(op, argument, found, expected);
  }
}

inline bool same_grid(const Field& a, const Field& b) {
  return a.dims == b.dims && a.shape[0] == b.shape[0] && a.shape[1] == b.shape[1] && a.shape[2] == b.shape[2];
}

// Requires the dtype, batch and grid of another argument, and this many channels.
inline void require_like(const Field& f, const Field& other, std::int64_t channels, const char* op,
                         const char* argument) {
  require(f.dtype == other.dtype && f.batch == other.batch && same_grid(f, other), op, argument, f,
          "the dtype, batch and grid of the other arguments");
  require(f.channels == channels, op, argument, f, "as many channels as the operator gives it");
}

// The batch size of two arguments together; a batch of one stands for every entry of a larger one.
inline std::int64_t common_batch(const Field& a, const Field& b) { return a.batch == 1 ? b.batch : a.batch; }

inline void require_broadcast(const Field& f, std::int64_t batch, const char* op, const char* argument) {
  require(f.batch == batch || f.batch == 1, op, argument, f, "the batch of the other arguments, or a batch of one");
}

// Requires the grid and dtype of another argument, and this many batch entries and channels.
inline void require_on(const Field& f, const Field& other, std::int64_t batch, std::int64_t channels, const char* op,
                       const char* argument) {
  require(f.dtype == other.dtype && same_grid(f, other), op, argument, f, "the dtype and grid of the other arguments");
  require(f.batch == batch && f.channels == channels, op, argument, f,
          "the batch, and as many channels as the operator gives it");
}

// Vector fields have one component per axis.
inline void require_vectors(const Field& f, const char* op, const char* argument) {
  require(f.channels == f.dims, op, argument, f, "one component per axis: (B, D, *S)");
}

// A gather of N taps per axis needs N samples on each axis.
inline void require_samples(const Field& f, int taps, const char* op, const char* argument) {
  const bool enough = f.shape[0] >= taps && f.shape[2] >= taps && (f.dims == 2 || f.shape[1] >= taps);
  require(enough, op, argument, f, "at least 2 samples along each axis for linear and 4 for cubic interpolation");
}

}  // namespace qs::QS_TARGET
