// Eight floats or four doubles of neighbouring voxels, and pairs of neighbouring samples for them: CPU only.
#pragma once

#include "core/host_device.h"

#include <utility>

namespace qs::QS_TARGET {

#if defined(QS_GPU)

// Declared only: members that work by blocks must parse everywhere and are never instantiated for a GPU.
template <class T>
struct Packet;

#else

template <class T>
struct Packet {
  static constexpr int size = 32 / sizeof(T);
  static constexpr int half = size / 2;
  typedef T Vector __attribute__((vector_size(32)));
  Vector x;

  QS_HD static Packet load(const T* p) {
    Packet packet;
    __builtin_memcpy(&packet.x, p, sizeof(Vector));
    return packet;
  }
  QS_HD void store(T* p) const { __builtin_memcpy(p, &x, sizeof(Vector)); }

  // The first `count` values, where a row ends.
  QS_HD static Packet load(const T* p, int count) {
    if (count >= size) {
      return load(p);
    }
    Packet packet{};
    for (int k = 0; k < count; ++k) {
      packet.x[k] = p[k];
    }
    return packet;
  }
  QS_HD void store(T* p, int count) const {
    if (count >= size) {
      return store(p);
    }
    for (int k = 0; k < count; ++k) {
      p[k] = x[k];
    }
  }

  // (values[o], values[o + 1]) for each of half a packet's offsets: one load per pair, where a gather takes two.
  QS_HD static Packet pairs(const T* values, const int* offset);

  // Each value of the first (Half = 0) or second half twice, to go with `pairs`.
  template <int Half>
  QS_HD Packet twice() const {
    return twice_at<Half * half>(std::make_integer_sequence<int, size>{});
  }

  // The first values of the pairs of two halves, or (Second = 1) the second ones.
  template <int Second>
  QS_HD static Packet of_pairs(const Packet& a, const Packet& b) {
    return of_pairs_at<Second>(a, b, std::make_integer_sequence<int, size>{});
  }

 private:
  template <int First, int... I>
  QS_HD Packet twice_at(std::integer_sequence<int, I...>) const {
    return {Vector{x[First + I / 2]...}};
  }

  template <int Second, int... I>
  QS_HD static Packet of_pairs_at(const Packet& a, const Packet& b, std::integer_sequence<int, I...>) {
    return {Vector{(I < half ? a.x[2 * I % size + Second] : b.x[2 * I % size + Second])...}};
  }
};

// A pair is loaded as one number of twice the width: copied as bytes it would pass through the stack.
template <>
QS_HD Packet<float> Packet<float>::pairs(const float* values, const int* offset) {
  typedef double Pair __attribute__((may_alias, aligned(alignof(float))));
  const auto pair = [&](int n) QS_INLINE { return *reinterpret_cast<const Pair*>(values + offset[n]); };
  const Packet<double> joined{Packet<double>::Vector{pair(0), pair(1), pair(2), pair(3)}};
  Packet packet;
  __builtin_memcpy(&packet.x, &joined.x, sizeof(Vector));
  return packet;
}

template <>
QS_HD Packet<double> Packet<double>::pairs(const double* values, const int* offset) {
  typedef double Pair __attribute__((vector_size(16)));
  Pair pair[2];
  unroll<2>([&](auto n) QS_INLINE { __builtin_memcpy(&pair[n], values + offset[n], sizeof(Pair)); });
  return {Vector{pair[0][0], pair[0][1], pair[1][0], pair[1][1]}};
}

#endif

}  // namespace qs::QS_TARGET
