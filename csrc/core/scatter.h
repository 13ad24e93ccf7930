// Scatters: each source voxel adds to voxels of the result, by atomics on the GPU and by slabs on the CPU.
#pragma once

#include "core/parallel.h"
#include "core/row.h"

namespace qs::QS_TARGET {

// A 64-bit fixed-point number: sums have the same bits in any order.
using Fixed = long long;

QS_HD Fixed fixed(double x) {
  constexpr double bound = 9e18;  // beyond it, or not finite: the caller's scale is NaN then
  return x > -bound && x < bound ? static_cast<Fixed>(x < 0 ? x - 0.5 : x + 0.5) : 0;
}

// The planes of the result that one worker may add to (see scatter_voxels).
struct Slab {
  int first, last;
#if defined(QS_GPU)
  QS_HD bool owns(int) const { return true; }
  template <class T, int N>
  __device__ __forceinline__ void add(T* address, T factor, const Row<T, N>& row) const {
    unroll<N>([&](auto k) { atomicAdd(address + k, factor * row.x[k]); });
  }
  template <class T, int N>
  __device__ __forceinline__ void add(Fixed* address, double factor, const Row<T, N>& row) const {
    unroll<N>([&](auto k) {
      // Two's complement: the unsigned sum has the bits of the signed one.
      atomicAdd(reinterpret_cast<unsigned long long*>(address + k),
                static_cast<unsigned long long>(fixed(factor * row.x[k])));
    });
  }
#else
  QS_HD bool owns(int plane) const { return plane >= first && plane < last; }
  template <class T, int N>
  QS_HD void add(T* address, T factor, const Row<T, N>& row) const {
    auto sum = Row<T, N>::load(address);
    sum.add(factor, row);
    sum.store(address);
  }
  template <class T, int N>
  QS_HD void add(Fixed* address, double factor, const Row<T, N>& row) const {
    unroll<N>([&](auto k) QS_INLINE { address[k] += fixed(factor * row.x[static_cast<int>(k)]); });
  }
#endif
};

// The planes of the result that a plane of the source can touch.
struct Reach {
  int first, last;
};

#if defined(QS_GPU)

template <class Body>
struct Scatter {
  Body body;
  __device__ void operator()(const Voxel& v) const { body(v, Slab{0, 0}); }
};

template <class Body>
void scatter_voxels(const Grid& source, int, const Queue& queue, const Body& body) {
  static_assert(sizeof(Body::loop) == sizeof(Loop), "a body says how it works on the CPU");
  launch(source, queue, Scatter<Body>{body});
}

#else

// A row of voxels from v on, voxel by voxel or by blocks.
template <class Body>
void scatter_row(const Voxel& v, int count, const Body& body, const Slab& slab) {
  if constexpr (Body::loop == Loop::blocks) {
    for (int k = 0; k < count; k += block_width) {
      body.block(v.next(k), std::min(block_width, count - k), slab);
    }
  } else {
    for (int k = 0; k < count; ++k) {
      body(v.next(k), slab);
    }
  }
}

// Scattering without atomics: each worker owns a slab of result planes, visits the source planes that reach it, and
// adds only inside it. Every result voxel receives its terms in the order of the source, so that the sum has the same
// bits for any number of threads. body.reach(batch, i) bounds the result planes that source plane i can touch.
template <class Body>
void scatter_voxels(const Grid& source, int planes, const Queue& queue, const Body& body) {
  const Extent e = source.extent;
  const std::int64_t slices = source.batch * e.n[0];
  const int threads = threads_for(source, queue);
  Reach* const reach = new Reach[static_cast<std::size_t>(slices)];
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t slice = 0; slice < slices; ++slice) {
    reach[slice] = body.reach(slice / e.n[0], static_cast<int>(slice % e.n[0]));
  }
  // Two per worker, for balance. Thinner slabs would cost more: a source plane is visited in full for each it reaches.
  const int slabs = std::min(planes, threads > 1 ? 2 * threads : 1);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (int n = 0; n < slabs; ++n) {
    const std::int64_t piece = ordered(n, slabs);
    const Slab slab{static_cast<int>(piece * planes / slabs), static_cast<int>((piece + 1) * planes / slabs)};
    for (std::int64_t slice = 0; slice < slices; ++slice) {
      if (reach[slice].first >= slab.last || reach[slice].last < slab.first) {
        continue;
      }
      for (int j = 0; j < e.n[1]; ++j) {
        scatter_row(voxel_at(e, slice / e.n[0], static_cast<int>(slice % e.n[0]), j, 0), e.n[2], body, slab);
      }
    }
  }
  delete[] reach;
}

#endif

}  // namespace qs::QS_TARGET
