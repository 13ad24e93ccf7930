// The macros by which one source compiles for the CPU and for a GPU.
//
// Every file under csrc/core and csrc/ops is compiled once per *target*: QS_TARGET is a namespace such as
// `cpu_baseline`, `cpu_avx2` (AVX2 and FMA), `cpu_avx512` (the transforms alone) or `cuda`. Because each target has its
// own namespace, an inline function built with AVX2 can never be picked by the linker for a machine without it.
#pragma once

#include <utility>

#if defined(QS_EMULATE)
#include <cuda_runtime.h>
#endif

#ifndef QS_TARGET
#error "QS_TARGET must name the target this file is compiled for (see CMakeLists.txt)"
#endif

// A GPU's branches: compiled by nvcc, or for the emulation of a GPU by which they are tested (tests/csrc/emulation).
#if defined(__CUDACC__) || defined(QS_EMULATE)
#define QS_GPU
#endif

#if defined(QS_GPU)
#define QS_HD __host__ __device__ __forceinline__
#define QS_INLINE
#define QS_VECTORISE
#else
#define QS_HD inline __attribute__((always_inline))
#define QS_INLINE __attribute__((always_inline))  // for lambdas
// Iterations do not depend on each other. Not `omp simd`: that gives each lane a copy of every struct in the loop,
// which then no longer dissolves into registers.
#if defined(__clang__)
#define QS_VECTORISE _Pragma("clang loop vectorize(assume_safety)")
#else
#define QS_VECTORISE _Pragma("GCC ivdep")
#endif
#endif

#define QS_RESTRICT __restrict__

namespace qs::QS_TARGET {

// Whether work is by blocks of threads with memory of their own (core/block.h), or by packets (core/packet.h).
#if defined(QS_GPU)
constexpr bool has_blocks = true;
#else
constexpr bool has_blocks = false;
#endif

// std::integral_constant, whose conversion is not a device function.
template <int I>
struct Constant {
  static constexpr int value = I;
  QS_HD constexpr operator int() const { return I; }
};

template <class F, int... I>
QS_HD void unroll_over(F&& f, std::integer_sequence<int, I...>) {
  (f(Constant<I>{}), ...);
}

// Calls f with the constants 0 .. N-1. A template rather than a pragma, because GCC unrolls loops only after it has
// tried to vectorise the loop around them.
template <int N, class F>
QS_HD void unroll(F&& f) {
  unroll_over(f, std::make_integer_sequence<int, N>{});
}

// The square root, as a builtin on the CPU: a call of std::sqrt would not vectorise.
template <class T>
QS_HD T square_root(T x) {
#if defined(QS_GPU)
  return sqrt(x);
#else
  return sizeof(T) == 4 ? T(__builtin_sqrtf(static_cast<float>(x))) : T(__builtin_sqrt(x));
#endif
}

}  // namespace qs::QS_TARGET
