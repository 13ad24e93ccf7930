// Arrays of the tests of kernels: all that a kernel reads or writes is one, so that a test can put it elsewhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "core/field.h"

namespace qs {

template <class T>
constexpr DType dtype_of = sizeof(T) == 8 ? DType::float64 : DType::float32;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::bits64;
template <>
inline constexpr DType dtype_of<std::uint16_t> = DType::bits16;

using Bytes = std::vector<unsigned char>;

// Memory with exactly as many bytes as it has elements, which a field describes; it knows all others that live.
class Buffer {
 public:
  Field field;
  const std::size_t bytes;

  static std::vector<Buffer*>& all() {
    static std::vector<Buffer*> live;
    return live;
  }
  virtual ~Buffer() { all().erase(std::find(all().begin(), all().end(), this)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Whether found is, up to rounding, what is in memory.
  virtual bool agrees(const Bytes& found) const = 0;
  void* memory() const { return memory_.get(); }
  Bytes contents() const {
    const auto* const first = static_cast<const unsigned char*>(memory());
    return {first, first + bytes};
  }

 protected:
  Buffer(const Field& shape, std::size_t element)
      : field(shape),
        bytes(element * static_cast<std::size_t>(shape.batch * shape.channels * shape.shape[0] * shape.shape[1] *
                                                 shape.shape[2])),
        memory_(::operator new[](bytes, line)) {
    field.data = memory_.get();
    all().push_back(this);
  }

 private:
  static constexpr std::align_val_t line{64};  // of the cache, where a workspace begins
  struct Free {
    void operator()(void* data) const { ::operator delete[](data, line); }
  };
  std::unique_ptr<void, Free> memory_;
};

template <class T>
class Array : public Buffer {
 public:
  // Zeros, as `fill` leaves them.
  Array(
      int dims, std::int64_t batch, std::int64_t channels, const int (&shape)[3],
      const std::function<void(Array&)>& fill = [](Array&) {})
      : Buffer({nullptr, dtype_of<T>, dims, batch, channels, {shape[0], dims == 3 ? shape[1] : 1, shape[2]}},
               sizeof(T)) {
    std::fill_n(values(), size(), T(0));
    fill(*this);
  }
  // A row of given numbers.
  explicit Array(const std::vector<T>& row) : Array(2, 1, 1, {1, 1, static_cast<int>(row.size())}) {
    std::copy(row.begin(), row.end(), values());
  }

  T* values() const { return static_cast<T*>(memory()); }
  const T* data() const { return static_cast<const T*>(field.data); }
  std::size_t size() const { return bytes / sizeof(T); }

  void randomise(std::mt19937& random, double scale) {
    std::normal_distribution<double> normal(0, scale);
    std::generate_n(values(), size(), [&] { return static_cast<T>(normal(random)); });
  }

  // Rounding is that of sums in any order, relative to the largest; integers are labels, or sums in fixed point.
  bool agrees(const Bytes& found) const override {
    const T* const other = reinterpret_cast<const T*>(found.data());
    const double tolerance = sizeof(T) == 2 ? 0 : dtype_of<T> == DType::float64 ? 1e-11 : 1e-5;
    double largest = 0;
    std::for_each(values(), values() + size(),
                  [&](T x) { largest = std::max(largest, std::abs(static_cast<double>(x))); });
    return std::equal(other, other + size(), values(), [&](T a, T b) {
      return std::abs(static_cast<double>(a) - static_cast<double>(b)) <= tolerance * largest;
    });
  }
};

// What a kernel writes, and how it finds it.
struct Output {
  enum class Start { undefined, zeros, given };
  Buffer* buffer;
  Start start;
  bool compared = true;

  // Leaves in memory what the kernel finds; what is undefined are no numbers.
  void begin(const Bytes& given) const {
    if (start == Start::given) {
      std::memcpy(buffer->memory(), given.data(), given.size());
    } else {
      std::memset(buffer->memory(), start == Start::zeros ? 0 : 0xff, buffer->bytes);
    }
  }
};

inline std::vector<Bytes> contents_of(const std::vector<Output>& outputs) {
  std::vector<Bytes> contents;
  for (const Output& output : outputs) {
    contents.push_back(output.buffer->contents());
  }
  return contents;
}

inline Output result(Buffer& b) { return {&b, Output::Start::undefined}; }
inline Output sum(Buffer& b) { return {&b, Output::Start::zeros}; }
inline Output changed(Buffer& b) { return {&b, Output::Start::given}; }
inline Output workspace(Buffer& b) { return {&b, Output::Start::undefined, false}; }

// What is wrong is told, and counted.
struct Failures {
  int failures = 0;

  void expect(bool ok, const std::string& what) {
    if (!ok) {
      ++failures;
      std::printf("FAILED %s\n", what.c_str());
    }
  }
};

}  // namespace qs
