// Discrete Fourier transforms of 2 to 16 numbers in registers, and the step between real and complex ones.
#pragma once

#include "core/fft/complex.h"

namespace qs::QS_TARGET {

// cos(2 pi k / n) and sin(2 pi k / n) at compile time: a quarter of a turn by Taylor's series, the rest by symmetry.
QS_HD constexpr double cosine_series(double x) {
  double term = 1, sum = 0;
  for (int n = 0; n < 24; n += 2) {
    sum += term;
    term *= -x * x / ((n + 1) * (n + 2));
  }
  return sum;
}

QS_HD constexpr double cosine(int k, int n) {
  constexpr double pi = 3.14159265358979323846;
  k %= n;
  if (2 * k > n) {
    k = n - k;
  }
  return 4 * k > n ? -cosine_series(pi * (n - 2 * k) / n) : cosine_series(2 * pi * k / n);
}

QS_HD constexpr double sine(int k, int n) {
  return cosine(4 * k + 3 * n, 4 * n);  // a quarter turn back
}

// a exp(-2 pi i K / N), or its inverse; whole quarter turns cost nothing.
template <int K, int N, bool Inverse, class T>
QS_HD Complex<T> rotated(const Complex<T>& a) {
  constexpr int turn = 4 * (K % N);
  if constexpr (turn == 0) {
    return a;
  } else if constexpr (turn == N || turn == 3 * N) {
    return (turn == N) == Inverse ? turned(a) : Complex<T>{a.im, -a.re};
  } else {
    constexpr double re = cosine(K, N), im = -sine(K, N);
    return times<Inverse>(a, Complex<T>{T(re), T(im)});
  }
}

// An odd prime: sums and differences of the pairs (j, R - j) meet the cosines and the sines.
template <int R, bool Inverse, class T>
QS_HD void dft_prime(Complex<T> (&x)[R]) {
  constexpr int half = R / 2;
  Complex<T> sum[half], difference[half];
  const Complex<T> first = x[0];
  unroll<half>([&](auto j) QS_INLINE {
    sum[j] = x[j + 1] + x[R - 1 - j];
    difference[j] = x[j + 1] - x[R - 1 - j];
    x[0] = x[0] + sum[j];
  });
  unroll<half>([&](auto k) QS_INLINE {
    Complex<T> even = first, odd{T(0), T(0)};
    unroll<half>([&](auto j) QS_INLINE {
      constexpr int turn = (decltype(k){} + 1) * (decltype(j){} + 1) % R;
      constexpr double c = cosine(turn, R), s = sine(turn, R);
      even = {even.re + T(c) * sum[j].re, even.im + T(c) * sum[j].im};
      odd = {odd.re + T(s) * difference[j].re, odd.im + T(s) * difference[j].im};
    });
    odd = turned(odd);
    x[k + 1] = Inverse ? even + odd : even - odd;
    x[R - 1 - k] = Inverse ? even - odd : even + odd;
  });
}

// x_k <- sum_n x_n exp(-2 pi i n k / R), or with exp(+...): neither is scaled. A composite R = A B is A-point
// transforms, rotations and B-point transforms.
template <int R, bool Inverse, class T>
QS_HD void dft(Complex<T> (&x)[R]) {
  if constexpr (R == 2) {
    const Complex<T> difference = x[0] - x[1];
    x[0] = x[0] + x[1];
    x[1] = difference;
  } else if constexpr (R == 3 || R == 5 || R == 7) {
    dft_prime<R, Inverse>(x);
  } else {
    constexpr int A = R % 2 == 0 ? 2 : 3, B = R / A;
    Complex<T> rows[A][B];
    unroll<B>([&](auto b) QS_INLINE {
      Complex<T> column[A];
      unroll<A>([&](auto a) QS_INLINE { column[a] = x[B * a + b]; });
      dft<A, Inverse>(column);
      unroll<A>([&](auto c) QS_INLINE { rows[c][b] = rotated<decltype(b){} * decltype(c){}, R, Inverse>(column[c]); });
    });
    unroll<A>([&](auto c) QS_INLINE {
      dft<B, Inverse>(rows[c]);
      unroll<B>([&](auto d) QS_INLINE { x[c + A * d] = rows[c][d]; });
    });
  }
}

// Calls f with the radix of a stage (core/fft/plan.h), one of these, as a constant.
template <int... R, class F>
QS_HD void with_radix(int radix, const F& f) {
  static_cast<void>(((radix == R && (f(Constant<R>{}), true)) || ...));
}

// From the transform z of M pairs of reals (even + i odd) to the spectrum X_0 .. X_M of the 2 M reals, or back, both
// times 2, in place: the frequencies k and M - k make each other,
//
//   2 X_k = E + w^k O,  2 X_{M-k} = conj(E - w^k O),  E = z_k + conj(z_{M-k}),  O = -i (z_k - conj(z_{M-k})),
//
// with w = exp(-pi i / M), and z_0 makes X_0 and X_M.
template <bool Inverse, class T, class W>
QS_HD void untangle_pair(Complex<T>& near, Complex<T>& far, const Complex<W>& root) {
  const Complex<T> even = near + conjugate(far);
  const Complex<T> difference = near - conjugate(far);
  const Complex<T> odd =
      Inverse ? turned(times<true>(difference, root)) : times<false>(Complex<T>{difference.im, -difference.re}, root);
  near = even + odd;
  far = conjugate(even - odd);
}

template <bool Inverse, class T>
QS_HD void untangle_ends(Complex<T>& first, Complex<T>& last) {
  if constexpr (Inverse) {
    first = {first.re + last.re, first.re - last.re};
  } else {
    const Complex<T> sum{first.re + first.im, T(0)}, difference{first.re - first.im, T(0)};
    first = sum + sum;
    last = difference + difference;
  }
}

}  // namespace qs::QS_TARGET
