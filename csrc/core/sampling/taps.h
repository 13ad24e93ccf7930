// Interpolation along one axis: which samples a position touches, and with which weights.
//
// N consecutive samples from `base` on (1 nearest, 2 linear, 4 cubic convolution after Keys with a = -1/2), always
// inside the grid: a border or zero rule is folded into the weights. So a gather is N^D loads at fixed strides from one
// base, without a branch per corner, and its transpose (splat) uses the same numbers. Only where the image continues
// periodically are the samples not neighbours: there `base` is that of the unfolded line, and sample_at says which
// sample of the grid each is.
#pragma once

#include "core/field.h"
#include "core/host_device.h"
#include "core/view.h"

namespace qs::QS_TARGET {

template <Mode M>
constexpr int taps_of = M == Mode::nearest ? 1 : (M == Mode::linear ? 2 : 4);

// The padding of bodies for images that repeat themselves, with the period of their grid or of their grid and its
// mirror image: one body for both, since the period, which their extent holds, is all that differs.
constexpr Padding periodic = Padding::wrap;

template <Padding P>
constexpr bool is_periodic = P == periodic;

// Positions and weights, with the weights' first and second derivatives where those of the interpolant are wanted.
template <class T, int N>
struct Taps {
  int base;
  T weight[N];
  T slope[N];
  T curvature[N];
};

// A NaN becomes `low`: an operator never reads outside its arrays, whatever it is given.
template <class T>
QS_HD T clamp(T p, T low, T high) {
  p = p > low ? p : low;
  return p < high ? p : high;
}

QS_HD int clamp_index(int i, int low, int high) {
  i = i > low ? i : low;
  return i < high ? i : high;
}

template <class T, Padding P>
QS_HD Taps<T, 1> nearest_taps(T position, int n) {
  const T p = clamp(position, T(-1), T(n)) + T(0.5);
  const int truncated = static_cast<int>(p);
  const int i = truncated - (p < T(truncated) ? 1 : 0);
  const bool inside = (i >= 0) & (i < n);
  return {clamp_index(i, 0, n - 1), {P == Padding::border || inside ? T(1) : T(0)}, {T(0)}, {T(0)}};
}

template <class T, Padding P>
QS_HD Taps<T, 2> linear_taps(T position, int n) {
  if constexpr (P == Padding::border) {
    const T p = clamp(position, T(0), T(n - 1));
    const int i = clamp_index(static_cast<int>(p), 0, n - 2);
    const T t = p - T(i);
    const T moves = (position >= T(0)) & (position <= T(n - 1)) ? T(1) : T(0);
    return {i, {T(1) - t, t}, {-moves, moves}, {T(0), T(0)}};
  } else {
    // Outside, the two taps of [-1, 0] or [n-1, n] shift by one and the one off the grid is dropped.
    const T p = clamp(position, T(-1), T(n));
    const int i = clamp_index(static_cast<int>(p + T(1)) - 1, -1, n - 1);
    const T t = p - T(i);
    const T moves = (position > T(-1)) & (position < T(n)) ? T(1) : T(0);
    const bool low = i < 0;
    const bool high = i > n - 2;
    return {clamp_index(i, 0, n - 2),
            {low ? t : (high ? T(0) : T(1) - t), low ? T(0) : (high ? T(1) - t : t)},
            {low ? moves : (high ? T(0) : -moves), low ? T(0) : (high ? -moves : moves)},
            {T(0), T(0)}};
  }
}

// Moves four weights by one sample: up where the first tap lies below the grid, down where the last lies above. What
// falls off is kept by the sample on the border, or dropped.
template <class T, bool Keep>
QS_HD void shift_up(T (&w)[4]) {
  w[0] = Keep ? w[0] + w[1] : w[1];
  w[1] = w[2];
  w[2] = w[3];
  w[3] = T(0);
}

template <class T, bool Keep>
QS_HD void shift_down(T (&w)[4]) {
  w[3] = Keep ? w[2] + w[3] : w[2];
  w[2] = w[1];
  w[1] = w[0];
  w[0] = T(0);
}

// Keys' weights at t between the second and the third of four samples; moves: 0 where the position does not matter.
template <class T>
QS_HD Taps<T, 4> keys_taps(int base, T t, T moves) {
  return {
      base,
      {t * (T(-0.5) + t * (T(1) - T(0.5) * t)), T(1) + t * t * (T(-2.5) + T(1.5) * t),
       t * (T(0.5) + t * (T(2) - T(1.5) * t)), t * t * (T(-0.5) + T(0.5) * t)},
      {moves * (T(-0.5) + t * (T(2) - T(1.5) * t)), moves * t * (T(-5) + T(4.5) * t),
       moves * (T(0.5) + t * (T(4) - T(4.5) * t)), moves * t * (T(-1) + T(1.5) * t)},
      {moves * (T(2) - T(3) * t), moves * (T(-5) + T(9) * t), moves * (T(4) - T(9) * t), moves * (T(-1) + T(3) * t)}};
}

// Taps whose weights are those of the samples from `first` on: where that is not their base, they are to be shifted.
template <class T>
struct UnshiftedTaps {
  Taps<T, 4> taps;
  int first;
};

template <class T, Padding P>
QS_HD UnshiftedTaps<T> unshifted_cubic_taps(T position, int n) {
  constexpr bool border = P == Padding::border;
  const T p = border ? clamp(position, T(0), T(n - 1)) : clamp(position, T(-2), T(n + 1));
  const int i = border ? clamp_index(static_cast<int>(p), 0, n - 2) : static_cast<int>(p + T(2)) - 2;
  return {keys_taps(clamp_index(i - 1, 0, n - 4), p - T(i), p == position ? T(1) : T(0)), i - 1};
}

template <class T, Padding P>
QS_HD Taps<T, 4> cubic_taps(T position, int n) {
  constexpr bool border = P == Padding::border;
  auto [taps, first] = unshifted_cubic_taps<T, P>(position, n);
  for (; first < taps.base; ++first) {
    shift_up<T, border>(taps.weight);
    shift_up<T, border>(taps.slope);
    shift_up<T, border>(taps.curvature);
  }
  for (; first > taps.base; --first) {
    shift_down<T, border>(taps.weight);
    shift_down<T, border>(taps.slope);
    shift_down<T, border>(taps.curvature);
  }
  return taps;
}

// The position less whole periods: from 0 to one period.
template <class T>
QS_HD T reduced(T position, T period) {
  const T turns = clamp(position / period, T(-1e9), T(1e9));  // those of an int
  const int truncated = static_cast<int>(turns);
  const T whole = T(truncated - (turns < T(truncated) ? 1 : 0));
  return clamp(position - whole * period, T(0), period);
}

// The sample of the grid that a tap is, at index i of its line along an axis.
template <Padding P>
QS_HD int sample_at(int i, const Extent& e, int axis) {
  if constexpr (is_periodic<P>) {
    const int period = e.period[axis];
    i += i < 0 ? period : 0;
    i -= i >= period ? period : 0;
    return i >= e.n[axis] ? period - i : i;  // in the mirror image, if there is one
  } else {
    return i;
  }
}

template <class T, Mode M>
QS_HD Taps<T, taps_of<M>> periodic_taps(T position, int period) {
  const T p = reduced(position, T(period));
  if constexpr (M == Mode::nearest) {
    return {static_cast<int>(p + T(0.5)), {T(1)}, {T(0)}, {T(0)}};
  } else {
    const int i = static_cast<int>(p);
    const T t = p - T(i);
    if constexpr (M == Mode::linear) {
      return {i, {T(1) - t, t}, {T(-1), T(1)}, {T(0), T(0)}};
    } else {
      return keys_taps(i - 1, t, T(1));
    }
  }
}

template <class T, Mode M, Padding P>
QS_HD Taps<T, taps_of<M>> taps_at(T position, const Extent& e, int axis) {
  const int n = e.n[axis];
  if constexpr (is_periodic<P>) {
    return periodic_taps<T, M>(position, e.period[axis]);
  } else if constexpr (M == Mode::nearest) {
    return nearest_taps<T, P>(position, n);
  } else if constexpr (M == Mode::linear) {
    return linear_taps<T, P>(position, n);
  } else {
    return cubic_taps<T, P>(position, n);
  }
}

}  // namespace qs::QS_TARGET
