// The N samples of a footprint along the contiguous axis.
//
// On the CPU four samples are one vector register, which compilers do not find by themselves; one or two are scalars,
// which vectorise across voxels instead.
#pragma once

#include "core/host_device.h"

namespace qs::QS_TARGET {

template <class T, int N>
struct Row {
  T x[N];

  QS_HD static Row load(const T* p) {
    Row row;
    unroll<N>([&](auto k) QS_INLINE { row.x[k] = p[k]; });
    return row;
  }
  QS_HD void store(T* p) const {
    unroll<N>([&](auto k) QS_INLINE { p[k] = x[k]; });
  }
  QS_HD void add(T factor, const Row& other) {
    unroll<N>([&](auto k) QS_INLINE { x[k] += factor * other.x[k]; });
  }
  QS_HD T dot(const Row& other) const {
    T sum = T(0);
    unroll<N>([&](auto k) QS_INLINE { sum += x[k] * other.x[k]; });
    return sum;
  }
};

#if !defined(QS_GPU)
template <class T>
struct Row<T, 4> {
  typedef T Vector __attribute__((vector_size(4 * sizeof(T))));
  Vector x;

  QS_HD static Row load(const T* p) {
    Row row;
    __builtin_memcpy(&row.x, p, sizeof(row.x));
    return row;
  }
  QS_HD void store(T* p) const { __builtin_memcpy(p, &x, sizeof(x)); }
  QS_HD void add(T factor, const Row& other) { x += factor * other.x; }
  QS_HD T dot(const Row& other) const {
    const Vector product = x * other.x;
    return (product[0] + product[1]) + (product[2] + product[3]);
  }
};
#endif

}  // namespace qs::QS_TARGET
