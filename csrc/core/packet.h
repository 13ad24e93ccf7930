// Eight floats or four doubles in one register, of neighbouring voxels or of lines side by side: CPU only. Arithmetic
// is by lane, so that code written for one number works on a packet.
#pragma once

#include "core/host_device.h"

#include <type_traits>
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

  Packet() = default;
  QS_HD Packet(const Vector& lanes) : x(lanes) {}
  template <class N, class = std::enable_if_t<std::is_arithmetic_v<N> > >
  QS_HD explicit Packet(N value) : x(static_cast<T>(value) - Vector{}) {}  // in every lane

  friend QS_HD Packet operator+(const Packet& a, const Packet& b) { return a.x + b.x; }
  friend QS_HD Packet operator-(const Packet& a, const Packet& b) { return a.x - b.x; }
  friend QS_HD Packet operator*(const Packet& a, const Packet& b) { return a.x * b.x; }
  friend QS_HD Packet operator*(const Packet& a, T b) { return a.x * b; }
  friend QS_HD Packet operator*(T a, const Packet& b) { return a * b.x; }
  friend QS_HD Packet operator-(const Packet& a) { return -a.x; }
  QS_HD Packet& operator+=(const Packet& other) { return *this = x + other.x; }
  QS_HD Packet& operator-=(const Packet& other) { return *this = x - other.x; }
  QS_HD Packet& operator*=(const Packet& other) { return *this = x * other.x; }

  // 1 / x where x > 0, else 0.
  friend QS_HD Packet reciprocal(const Packet& a) { return a.x > 0 ? 1 / a.x : Vector{}; }

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

  // Lane j of packet i becomes lane i of packet j.
  QS_HD static void transpose(Packet (&rows)[size]);

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
  // Lanes I of a, and from `size` on of b.
  template <int... I>
  QS_HD static Packet mix(const Packet& a, const Packet& b) {
#if defined(__clang__)
    return __builtin_shufflevector(a.x, b.x, I...);
#else
    typedef std::conditional_t<sizeof(T) == 4, int, long long> Index __attribute__((vector_size(32)));
    return __builtin_shuffle(a.x, b.x, Index{I...});
#endif
  }

  template <int First, int... I>
  QS_HD Packet twice_at(std::integer_sequence<int, I...>) const {
    return {Vector{x[First + I / 2]...}};
  }

  template <int Second, int... I>
  QS_HD static Packet of_pairs_at(const Packet& a, const Packet& b, std::integer_sequence<int, I...>) {
    return {Vector{(I < half ? a.x[2 * I % size + Second] : b.x[2 * I % size + Second])...}};
  }
};

// By halves of a register, whose lanes interleave in one instruction; then halves are exchanged.
template <>
QS_HD void Packet<float>::transpose(Packet (&rows)[size]) {
  Packet pairs[size], quads[size];
  unroll<4>([&](auto n) QS_INLINE {
    pairs[2 * n] = mix<0, 8, 1, 9, 4, 12, 5, 13>(rows[2 * n], rows[2 * n + 1]);
    pairs[2 * n + 1] = mix<2, 10, 3, 11, 6, 14, 7, 15>(rows[2 * n], rows[2 * n + 1]);
  });
  unroll<4>([&](auto n) QS_INLINE {
    constexpr int first = decltype(n){} / 2 * 4 + decltype(n){} % 2;
    quads[n / 2 * 4 + n % 2 * 2] = mix<0, 1, 8, 9, 4, 5, 12, 13>(pairs[first], pairs[first + 2]);
    quads[n / 2 * 4 + n % 2 * 2 + 1] = mix<2, 3, 10, 11, 6, 7, 14, 15>(pairs[first], pairs[first + 2]);
  });
  unroll<4>([&](auto n) QS_INLINE {
    rows[n] = mix<0, 1, 2, 3, 8, 9, 10, 11>(quads[n], quads[n + 4]);
    rows[n + 4] = mix<4, 5, 6, 7, 12, 13, 14, 15>(quads[n], quads[n + 4]);
  });
}

template <>
QS_HD void Packet<double>::transpose(Packet (&rows)[size]) {
  Packet pairs[size];
  unroll<2>([&](auto n) QS_INLINE {
    pairs[2 * n] = mix<0, 4, 2, 6>(rows[2 * n], rows[2 * n + 1]);
    pairs[2 * n + 1] = mix<1, 5, 3, 7>(rows[2 * n], rows[2 * n + 1]);
  });
  unroll<2>([&](auto n) QS_INLINE {
    rows[n] = mix<0, 1, 4, 5>(pairs[n], pairs[n + 2]);
    rows[n + 2] = mix<2, 3, 6, 7>(pairs[n], pairs[n + 2]);
  });
}

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
