// Tables of the fused transforms, for tests of their kernels.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "core/fft/plan.h"
#include "ops/fluid_symbol.h"

namespace qs {

// As quicksilver_ext/_fft.py makes them for packets or for blocks, with made-up symbols: only the roots and the places
// matter here. Of fewer frequencies than there are, the lowest are kept.
template <class T>
std::vector<T> transform_tables(const FluidTorus& on, int dims, bool blocks) {
  const int (&torus)[3] = on.size;
  const int half = torus[2] / 2, middle = dims == 3 ? torus[1] : 0, rows = dims == 3 ? on.kept[0] : 0;
  std::vector<T> tables(2 * static_cast<std::size_t>(torus[0] + rows + on.kept[1]), T(-0.5));
  for (const int n : {torus[0], middle, torus[2]}) {
    for (int k = 0; k < n; ++k) {
      const double angle = 2 * 3.14159265358979323846 * k / n;
      tables.insert(tables.end(), {static_cast<T>(std::cos(angle)), static_cast<T>(-std::sin(angle))});
    }
  }
  std::vector<T> places(static_cast<std::size_t>(half));
  for (int place = 0; place < half; ++place) {
    places[static_cast<std::size_t>(frequency_at(plan_of(half, half, blocks), place))] = static_cast<T>(place);
  }
  tables.insert(tables.end(), places.begin(), places.end());
  const auto push_places = [&](int length, int kept) {
    const Plan plan = plan_of(length, length, blocks);
    for (int place = 0; place < length; ++place) {
      if (frequency_at(plan, place) < kept) {
        tables.push_back(static_cast<T>(place));
      }
    }
  };
  if (on.kept[1] <= half) {
    push_places(middle, rows);
    push_places(half, on.kept[1]);
  }
  return tables;
}

}  // namespace qs
