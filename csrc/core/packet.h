// A register of floats or doubles, of neighbouring voxels or of lines side by side: CPU only. Arithmetic is by lane, so
// that code written for one number works on a packet.
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

#if defined(__AVX512F__) || defined(QS_WIDE_REGISTERS)  // the tests' own
constexpr int register_bytes = 64;
#else
constexpr int register_bytes = 32;
#endif

template <class T>
struct Packet {
  static constexpr int size = register_bytes / sizeof(T);
  static constexpr int half = size / 2;
  typedef T Vector __attribute__((vector_size(register_bytes)));
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

  // Lane j of packet i becomes lane i of packet j. By rounds on packets at growing distance: numbers, then pairs of
  // numbers change places within 16 bytes, which takes one cheap instruction; then whole parts of 16 bytes and more do.
  QS_HD static void transpose(Packet (&rows)[size]) {
    unroll<rounds(size)>([&](auto round) QS_INLINE {
      constexpr int distance = 1 << decltype(round)::value;
      unroll<half>([&](auto n) QS_INLINE {
        constexpr int first = decltype(n)::value / distance * 2 * distance + decltype(n)::value % distance;
        const Packet a = rows[first], b = rows[first + distance];
        rows[first] = exchange<distance, 0>(a, b, Lanes{});
        rows[first + distance] = exchange<distance, 1>(a, b, Lanes{});
      });
    });
    if constexpr (part == 4) {  // the rounds within 16 bytes leave their packets in the order of reversed bits
      unroll<size / part>([&](auto n) QS_INLINE { std::swap(rows[n * part + 1], rows[n * part + 2]); });
    }
  }

  // (values[o], values[o + 1]) for each of half a packet's offsets: one load per pair, where a gather takes two.
  QS_HD static Packet pairs(const T* values, const int* offset) {
    return pairs_at(values, offset, std::make_integer_sequence<int, sizeof(T) == 4 ? half : size>{});
  }

  // Each value of the first (Half = 0) or second half twice, to go with `pairs`.
  template <int Half>
  QS_HD Packet twice() const {
    return twice_at<Half * half>(Lanes{});
  }

  // The first values of the pairs of two halves, or (Second = 1) the second ones.
  template <int Second>
  QS_HD static Packet of_pairs(const Packet& a, const Packet& b) {
    return of_pairs_at<Second>(a, b, Lanes{});
  }

 private:
  using Lanes = std::make_integer_sequence<int, size>;
  static constexpr int part = 16 / sizeof(T);

  QS_HD static constexpr int rounds(int n) { return n == 1 ? 0 : 1 + rounds(n / 2); }

  // The lane of a, or from `size` on of b, that `transpose` puts at lane k of the first or second packet of a round.
  template <int Distance, int Second>
  QS_HD static constexpr int source(int k) {
    if (Distance < part) {
      const int within = k % part, group = within / Distance;
      const int lane = k - within + group / 2 * Distance + within % Distance + Second * part / 2;
      return group % 2 == 0 ? lane : size + lane;
    }
    const bool upper = (k & Distance) != 0;
    return (upper ? size + k - Distance : k) + Second * Distance;
  }

  template <int Distance, int Second, int... I>
  QS_HD static Packet exchange(const Packet& a, const Packet& b, std::integer_sequence<int, I...>) {
    return mix<source<Distance, Second>(I)...>(a, b);
  }

  // A pair of floats is loaded as one double: copied as bytes it would pass through the stack.
  template <int... I>
  QS_HD static Packet pairs_at(const T* values, const int* offset, std::integer_sequence<int, I...>) {
    if constexpr (sizeof(T) == 4) {
      typedef double Pair __attribute__((may_alias, aligned(alignof(float))));
      typedef double Pairs __attribute__((vector_size(register_bytes)));
      const Pairs joined{*reinterpret_cast<const Pair*>(values + offset[I])...};
      Packet packet;
      __builtin_memcpy(&packet.x, &joined, sizeof(Vector));
      return packet;
    } else {
      return {Vector{values[offset[I / 2] + I % 2]...}};
    }
  }

  // Lanes I of a, and from `size` on of b.
  template <int... I>
  QS_HD static Packet mix(const Packet& a, const Packet& b) {
#if defined(__clang__)
    return __builtin_shufflevector(a.x, b.x, I...);
#else
    typedef std::conditional_t<sizeof(T) == 4, int, long long> Index __attribute__((vector_size(register_bytes)));
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

#endif

}  // namespace qs::QS_TARGET
