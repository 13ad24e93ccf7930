// Dispatch from run-time dtype and dimension to template arguments.
#pragma once

#include "core/check.h"

#include <type_traits>

namespace qs::QS_TARGET {

template <int N>
using Int = std::integral_constant<int, N>;

// Calls f(T{}, Int<D>{}) with the field's floating-point type and dimension.
template <class F>
void dispatch(const Field& field, const char* op, F&& f) {
  const auto with_type = [&](auto scalar) { field.dims == 3 ? f(scalar, Int<3>{}) : f(scalar, Int<2>{}); };
  switch (field.dtype) {
    case DType::float32:
      return with_type(float{});
    case DType::float64:
      return with_type(double{});
    default:
      fail(op, "input", field, "float32 or float64");
  }
}

// Calls f(Bits{}) with the unsigned integer of the field's element size.
template <class F>
void dispatch_bits(const Field& field, F&& f) {
  switch (field.dtype) {
    case DType::bits8:
      return f(std::uint8_t{});
    case DType::bits16:
      return f(std::uint16_t{});
    case DType::bits32:
    case DType::float32:
      return f(std::uint32_t{});
    case DType::bits64:
    case DType::float64:
      return f(std::uint64_t{});
  }
}

// Calls f for D channels at a time (a vector field in one pass), then for the rest one at a time.
template <int D, class F>
void for_channel_groups(std::int64_t channels, F&& f) {
  std::int64_t first = 0;
  for (; first + D <= channels; first += D) {
    f(Int<D>{}, first);
  }
  for (; first < channels; ++first) {
    f(Int<1>{}, first);
  }
}

}  // namespace qs::QS_TARGET
