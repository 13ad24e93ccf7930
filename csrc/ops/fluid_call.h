// Where the parts of a call of `fluid` are: the torus, the field in its corner, the tables (ops/operators.def).
#pragma once

#include "core/fft/complex.h"
#include "core/view.h"
#include "ops/fluid_symbol.h"

namespace qs::QS_TARGET {

// As many numbers as fill whole packets of either type: a row of the workspace.
constexpr int in_packets(int count) { return (count + 15) / 16 * 16; }

// Axes are numbered as components are.
template <class T, int D>
struct FluidCall {
  std::int64_t batch;
  int size[D], present[D];  // of the torus and of the field
  int half;                 // complex numbers of a padded row
  int kept[2];              // frequencies of the middle and the last axis in the spectrum
  int stride;               // of the first axis in the spectrum
  Complex<T>* spectrum;
  const T *c[D], *s[D];
  const Complex<T>* roots[D];
  const T* places;
  const T *kept_rows, *kept_columns;  // places, where fewer are kept than there are
  int block_memory;
  Queue queue;

  FluidCall(const Field& field, const Field& workspace, const T* tables, const FluidTorus& torus, const Queue& on)
      : batch(field.batch),
        half(torus.size[2] / 2),
        kept{torus.kept[0], torus.kept[1]},
        stride(workspace.shape[2]),
        spectrum(static_cast<Complex<T>*>(workspace.data)),
        block_memory(torus.block_memory),
        queue(on) {
    for (int a = 0; a < D; ++a) {
      size[a] = torus.size[axis_of<D>(a)];
      present[a] = field.shape[axis_of<D>(a)];
    }
    for (const T** table : {c, s}) {
      for (int a = 0; a < D; ++a) {
        table[a] = tables;
        tables += a == D - 1 ? kept[1] : a > 0 ? kept[0] : size[a];
      }
    }
    for (int a = 0; a < D; ++a) {
      roots[a] = reinterpret_cast<const Complex<T>*>(tables);
      tables += 2 * size[a];
    }
    places = tables;
    const bool all = kept[1] == half + 1;
    kept_rows = all || D == 2 ? nullptr : places + half;
    kept_columns = all ? nullptr : places + half + (D == 3 ? kept[0] : 0);
  }

  // What the result is multiplied by: the transforms of the rows are twice too large, there and back.
  double norm() const {
    double norm = 0.25 / half;
    for (int a = 0; a < D - 1; ++a) {
      norm /= size[a];
    }
    return norm;
  }
};

}  // namespace qs::QS_TARGET
