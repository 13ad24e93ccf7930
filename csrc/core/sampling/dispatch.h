// Dispatch from run-time interpolation mode and padding to template arguments.
#pragma once

#include "core/check.h"
#include "core/dispatch.h"
#include "core/sampling/taps.h"

namespace qs::QS_TARGET {

template <Mode M, Padding P>
struct Sampler {
  static constexpr Mode mode = M;
  static constexpr Padding padding = P;
  static constexpr int taps = taps_of<M>;
};

// Calls f(std::integral_constant<Padding, padding>{}), with `periodic` for both of those that repeat the image.
template <class F>
void dispatch_padding(Padding padding, F&& f) {
  switch (padding) {
    case Padding::border:
      return f(std::integral_constant<Padding, Padding::border>{});
    case Padding::zeros:
      return f(std::integral_constant<Padding, Padding::zeros>{});
    case Padding::reflect:
    case Padding::wrap:
      return f(std::integral_constant<Padding, periodic>{});
  }
}

template <Mode M, class F>
void dispatch_sampler(Padding padding, F&& f) {
  dispatch_padding(padding, [&](auto pad) { f(Sampler<M, decltype(pad)::value>{}); });
}

inline void require_interpolation(const Sampling& sampling, const char* op, const char* argument, const Field& found) {
  require(sampling.mode != Mode::nearest, op, argument, found, "a mode that interpolates: linear or cubic");
}

// Calls f(Sampler<mode, padding>{}) of a mode that interpolates.
template <class F>
void dispatch_interpolation(const Sampling& sampling, F&& f) {
  if (sampling.mode == Mode::cubic) {
    dispatch_sampler<Mode::cubic>(sampling.padding, f);
  } else {
    dispatch_sampler<Mode::linear>(sampling.padding, f);
  }
}

// The same of any mode.
template <class F>
void dispatch_sampling(const Sampling& sampling, F&& f) {
  if (sampling.mode == Mode::nearest) {
    dispatch_sampler<Mode::nearest>(sampling.padding, f);
  } else {
    dispatch_interpolation(sampling, f);
  }
}

inline int taps_of_mode(Mode mode) { return mode == Mode::nearest ? 1 : (mode == Mode::linear ? 2 : 4); }

}  // namespace qs::QS_TARGET
