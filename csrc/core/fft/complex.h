// Complex numbers in registers and in memory: a pair of reals, loaded and stored as one.
#pragma once

#include "core/host_device.h"

namespace qs::QS_TARGET {

template <class T>
struct alignas(2 * sizeof(T)) Complex {
  T re, im;
};

template <class T>
QS_HD Complex<T> operator+(const Complex<T>& a, const Complex<T>& b) {
  return {a.re + b.re, a.im + b.im};
}

template <class T>
QS_HD Complex<T> operator-(const Complex<T>& a, const Complex<T>& b) {
  return {a.re - b.re, a.im - b.im};
}

template <class T>
QS_HD Complex<T> conjugate(const Complex<T>& a) {
  return {a.re, -a.im};
}

// i a.
template <class T>
QS_HD Complex<T> turned(const Complex<T>& a) {
  return {-a.im, a.re};
}

// a w, or a conj(w); a may be a packet of numbers.
template <bool Conjugate, class T, class W>
QS_HD Complex<T> times(const Complex<T>& a, const Complex<W>& w) {
  if constexpr (Conjugate) {
    return {a.re * w.re + a.im * w.im, a.im * w.re - a.re * w.im};
  } else {
    return {a.re * w.re - a.im * w.im, a.im * w.re + a.re * w.im};
  }
}

}  // namespace qs::QS_TARGET
