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

// Calls f(Sampler<mode, padding>{}).
template <class F>
void dispatch_sampling(const Sampling& sampling, F&& f) {
  const auto with_mode = [&](auto mode) {
    constexpr Mode m = decltype(mode)::value;
    dispatch_padding(sampling.padding, [&](auto padding) { f(Sampler<m, decltype(padding)::value>{}); });
  };
  switch (sampling.mode) {
    case Mode::nearest:
      return with_mode(std::integral_constant<Mode, Mode::nearest>{});
    case Mode::linear:
      return with_mode(std::integral_constant<Mode, Mode::linear>{});
    case Mode::cubic:
      return with_mode(std::integral_constant<Mode, Mode::cubic>{});
  }
}

inline int taps_of_mode(Mode mode) { return mode == Mode::nearest ? 1 : (mode == Mode::linear ? 2 : 4); }

}  // namespace qs::QS_TARGET
