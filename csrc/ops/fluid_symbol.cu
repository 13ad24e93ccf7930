// Multiplies a vector spectrum by the symbol of L or K (ops/fluid_gain.h), in place.
//
// All components of a frequency are in one thread, so that beta costs no traffic: 2 * 8 D bytes per frequency in
// float32 (24 bytes per voxel of the real field in 3-D), which bounds it.
#include "core/dispatch.h"
#include "core/parallel.h"
#include "ops/declarations.h"
#include "ops/fluid_gain.h"

namespace qs::QS_TARGET {

namespace {

template <class T, int D, bool Once>
struct Symbol {
  static constexpr Loop loop = Once ? Loop::vectorised : Loop::plain;
  T* spectrum;  // interleaved complex
  std::int64_t volume, batch_stride;
  const T* tables;
  Extent extent;
  Gain<T, D> gain;

  QS_HD void operator()(const Voxel& v) const {
    T c[D], s[D], re[D], im[D];
    int start = 0;
    unroll<D>([&](auto a) QS_INLINE {
      c[a] = tables[start + v.x[axis_of<D>(a)]];
      start += extent.n[axis_of<D>(a)];
    });
    unroll<D>([&](auto a) QS_INLINE {
      s[a] = tables[start + v.x[axis_of<D>(a)]];
      start += extent.n[axis_of<D>(a)];
    });
    T* const values = spectrum + v.batch * batch_stride + 2 * static_cast<std::int64_t>(v.offset);
    unroll<D>([&](auto a) QS_INLINE {
      re[a] = values[a * volume];
      im[a] = values[a * volume + 1];
    });
    gain.template apply<Once>(gain.at(c, s), re, im);
    unroll<D>([&](auto a) QS_INLINE {
      values[a * volume] = re[a];
      values[a * volume + 1] = im[a];
    });
  }
};

}  // namespace

void fluid_symbol(const Field& spectrum, const void* tables, const FluidSymbol& symbol, const Queue& queue) {
  require_vectors(spectrum, "fluid_symbol", "spectrum");
  dispatch(spectrum, "fluid_symbol", [&](auto scalar, auto dims) {
    using T = decltype(scalar);
    constexpr int D = decltype(dims)::value;
    const Extent e = extent_of(spectrum);
    const std::int64_t volume = 2 * static_cast<std::int64_t>(e.n[0]) * e.n[1] * e.n[2];
    const auto run = [&](auto once) {
      for_each_voxel(grid_of(spectrum), queue,
                     Symbol<T, D, decltype(once)::value>{static_cast<T*>(spectrum.data), volume, D * volume,
                                                         static_cast<const T*>(tables), e, gain_of<T, D>(symbol, 1)});
    };
    symbol.power == 1 ? run(std::true_type{}) : run(std::false_type{});
  });
}

}  // namespace qs::QS_TARGET
