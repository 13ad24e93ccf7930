// Multiplies a vector spectrum by the symmetric D x D symbol of L or K at each frequency k,
//
//   L_ab = delta_ab (gamma - alpha sum_d c_d - beta c_a) + (1 - delta_ab) beta s_a s_b,
//
// computed from per-axis tables, never read as a volume; K by adjugate over determinant, one reciprocal. All components
// of a frequency are in one thread, so that beta costs no traffic: 2 * 8 D bytes per frequency in float32 (24 bytes per
// voxel of the real field in 3-D), which bounds it. In place.
#include "ops/fluid.h"

#include "core/dispatch.h"
#include "core/matrix.h"
#include "core/parallel.h"

namespace qs::QS_TARGET {

namespace {

// Once: power 1, whose loop would keep the others from vectorising.
template <class T, int D, bool Once>
struct Symbol {
  static constexpr Loop loop = Once ? Loop::vectorised : Loop::plain;
  T* spectrum;  // interleaved complex
  std::int64_t volume, batch_stride;
  const T* tables;
  Extent extent;
  T alpha, beta, gamma;
  T scale[D];
  int power;
  bool inverse;

  QS_HD Matrix<T, D> at(const Voxel& v) const {
    T c[D], s[D], diagonal = gamma;
    int start = 0;
    unroll<D>([&](auto a) QS_INLINE {
      c[a] = tables[start + v.x[axis_of<D>(a)]];
      diagonal -= alpha * c[a];
      start += extent.n[axis_of<D>(a)];
    });
    unroll<D>([&](auto a) QS_INLINE {
      s[a] = tables[start + v.x[axis_of<D>(a)]];
      start += extent.n[axis_of<D>(a)];
    });
    Matrix<T, D> l;
    unroll<D>([&](auto a) QS_INLINE {
      unroll<D>([&](auto b) QS_INLINE { l.m[a][b] = a == b ? diagonal - beta * c[a] : beta * s[a] * s[b]; });
    });
    if (!inverse) {
      return l;
    }
    Matrix<T, D> k = cofactor(l);
    const T det = determinant(l, k);
    const T reciprocal = det > T(0) ? T(1) / det : T(0);  // gamma = 0: K of the zero frequency is 0
    unroll<D>([&](auto a) QS_INLINE { unroll<D>([&](auto b) QS_INLINE { k.m[a][b] *= reciprocal; }); });
    return k;
  }

  QS_HD void operator()(const Voxel& v) const {
    const Matrix<T, D> m = at(v);
    T re[D], im[D], next[D];
    T* const values = spectrum + v.batch * batch_stride + 2 * static_cast<std::int64_t>(v.offset);
    unroll<D>([&](auto c) QS_INLINE {
      re[c] = scale[c] * values[c * volume];
      im[c] = scale[c] * values[c * volume + 1];
    });
    for (int p = 0; p < (Once ? 1 : power); ++p) {
      multiply(m, re, next);
      copy(next, re);
      multiply(m, im, next);
      copy(next, im);
    }
    unroll<D>([&](auto c) QS_INLINE {
      values[c * volume] = scale[c] * re[c];
      values[c * volume + 1] = scale[c] * im[c];
    });
  }

  static QS_HD void copy(const T (&from)[D], T (&to)[D]) {
    unroll<D>([&](auto c) QS_INLINE { to[c] = from[c]; });
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
      Symbol<T, D, decltype(once)::value> body{static_cast<T*>(spectrum.data),
                                               volume,
                                               D * volume,
                                               static_cast<const T*>(tables),
                                               e,
                                               static_cast<T>(symbol.alpha),
                                               static_cast<T>(symbol.beta),
                                               static_cast<T>(symbol.gamma),
                                               {},
                                               symbol.power,
                                               symbol.inverse};
      for (int c = 0; c < D; ++c) {
        body.scale[c] = static_cast<T>(symbol.scale[c]);
      }
      for_each_voxel(grid_of(spectrum), queue, body);
    };
    symbol.power == 1 ? run(std::true_type{}) : run(std::false_type{});
  });
}

}  // namespace qs::QS_TARGET
