// Loops over voxels, on CPU threads or on the GPU.
//
// A body is a small struct with a const call operator for one voxel. On the CPU rows are divided among threads
// and the contiguous axis is vectorised; on the GPU one thread takes one voxel, 32 neighbours along the contiguous
// axis in a warp.
#pragma once

#include "core/field.h"
#include "core/host_device.h"
#include "core/view.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#if defined(QS_GPU)
#include "core/launch.h"
#endif

namespace qs::QS_TARGET {

// How a body works along the contiguous axis on the CPU: voxel by voxel; vectorised across voxels; or by its own
// member `block`, which takes up to block_width neighbouring voxels.
enum class Loop { plain, vectorised, blocks };

struct Grid {
  Extent extent;
  std::int64_t batch;
};

inline Grid grid_of(const Field& field) { return {extent_of(field), field.batch}; }

QS_HD Voxel voxel_at(const Extent& e, std::int64_t batch, int i, int j, int k) {
  return {{i, j, k}, (i * e.n[1] + j) * e.n[2] + k, batch};
}

#if defined(QS_GPU)

constexpr int block_x = 32, block_y = 8;
constexpr int most_blocks = 65535;  // along the y and z of a launch

template <class Work>
__global__ void __launch_bounds__(block_x* block_y)
    voxel_kernel(const Extent e, const std::int64_t slices, const int first, const Work work) {
  const int k = blockIdx.x * block_x + threadIdx.x;
  const int j = first + blockIdx.y * block_y + threadIdx.y;
  if (k >= e.n[2] || j >= e.n[1]) {
    return;
  }
  for (std::int64_t slice = blockIdx.z; slice < slices; slice += gridDim.z) {
    work(voxel_at(e, slice / e.n[0], static_cast<int>(slice % e.n[0]), j, k));
  }
}

template <class Work>
void launch(const Grid& grid, const Queue& queue, const Work& work) {
  const Extent e = grid.extent;
  const std::int64_t slices = grid.batch * e.n[0];
  if (slices == 0 || e.n[1] == 0 || e.n[2] == 0) {
    return;
  }
  const DeviceGuard guard(queue.device);
  const auto count = [](std::int64_t n) { return static_cast<unsigned>(std::min<std::int64_t>(n, most_blocks)); };
  const unsigned columns = static_cast<unsigned>((e.n[2] + block_x - 1) / block_x);
  for (int first = 0; first < e.n[1]; first += most_blocks * block_y) {
    const dim3 blocks(columns, count((e.n[1] - first + block_y - 1) / block_y), count(slices));
    launch_kernel(voxel_kernel<Work>, blocks, dim3(block_x, block_y), 0, queue, e, slices, first, work);
  }
}

template <class Body>
void for_each_voxel(const Grid& grid, const Queue& queue, const Body& body) {
  static_assert(sizeof(Body::loop) == sizeof(Loop), "a body says how it works on the CPU");
  launch(grid, queue, body);
}

template <class Body>
struct Iterate {
  Body body;
  int iterations;
  QS_HD void operator()(const Voxel& v) const {
    auto state = body.start(v);
    for (int n = 0; n < iterations && !state.done; ++n) {
      body.step(v, state);
    }
    body.finish(v, state);
  }
};

template <class Body>
void iterate_voxels(const Grid& grid, int iterations, const Queue& queue, const Body& body) {
  launch(grid, queue, Iterate<Body>{body, iterations});
}

#else

// The order in which independent pieces of work are taken. A test replaces it by a reversed or shuffled one: a result
// that changes has a race.
#if defined(QS_TEST_ORDER)
std::int64_t ordered(std::int64_t piece, std::int64_t pieces);
#else
inline std::int64_t ordered(std::int64_t piece, std::int64_t) { return piece; }
#endif

// Waking a thread costs as much as a few thousand voxels.
inline int threads_for(const Grid& grid, const Queue& queue) {
  const std::int64_t useful = 1 + grid.batch * grid.extent.voxels() / 8192;
  return static_cast<int>(std::min<std::int64_t>(queue.threads, useful));
}

template <class Body>
void for_each_voxel(const Grid& grid, const Queue& queue, const Body& body) {
  const Extent e = grid.extent;
  const std::int64_t rows = grid.batch * e.n[0] * e.n[1];
#pragma omp parallel for num_threads(threads_for(grid, queue)) schedule(static)
  for (std::int64_t n = 0; n < rows; ++n) {
    const std::int64_t row = ordered(n, rows);
    const int j = static_cast<int>(row % e.n[1]);
    const int i = static_cast<int>(row / e.n[1] % e.n[0]);
    const std::int64_t batch = row / e.n[1] / e.n[0];
    const Body local = body;  // its members stay in registers: no store of the loop can alias them
    if constexpr (Body::loop == Loop::blocks) {
      for (int k = 0; k < e.n[2]; k += block_width) {
        local.block(voxel_at(e, batch, i, j, k), std::min(block_width, e.n[2] - k));
      }
    } else if constexpr (Body::loop == Loop::vectorised) {
      QS_VECTORISE
      for (int k = 0; k < e.n[2]; ++k) {
        local(voxel_at(e, batch, i, j, k));
      }
    } else {
      for (int k = 0; k < e.n[2]; ++k) {
        local(voxel_at(e, batch, i, j, k));
      }
    }
  }
}

// Every voxel runs body.step until it is done or the iterations are spent; a piece of a row advances together so that
// it vectorises, and stops together.
template <class Body>
void iterate_voxels(const Grid& grid, int iterations, const Queue& queue, const Body& body) {
  const Extent e = grid.extent;
  const std::int64_t rows = grid.batch * e.n[0] * e.n[1];
#pragma omp parallel for num_threads(threads_for(grid, queue)) schedule(dynamic, 16)
  for (std::int64_t n = 0; n < rows; ++n) {
    const std::int64_t row = ordered(n, rows);
    const int j = static_cast<int>(row % e.n[1]);
    const int i = static_cast<int>(row / e.n[1] % e.n[0]);
    const std::int64_t batch = row / e.n[1] / e.n[0];
    const Body local = body;
    for (int first = 0; first < e.n[2]; first += block_width) {
      const int count = std::min(block_width, e.n[2] - first);
      typename Body::State states[block_width];
      QS_VECTORISE
      for (int k = 0; k < count; ++k) {
        states[k] = local.start(voxel_at(e, batch, i, j, first + k));
      }
      int pending = count;
      for (int iteration = 0; iteration < iterations && pending > 0; ++iteration) {
        pending = 0;
        QS_VECTORISE
        for (int k = 0; k < count; ++k) {
          local.step(voxel_at(e, batch, i, j, first + k), states[k]);
          pending += states[k].done ? 0 : 1;
        }
      }
      QS_VECTORISE
      for (int k = 0; k < count; ++k) {
        local.finish(voxel_at(e, batch, i, j, first + k), states[k]);
      }
    }
  }
}

// Memory of one thread, by whole cache lines.
using CacheLine = std::aligned_storage_t<64, 64>;

// Runs body(piece, memory) for every piece. Each thread has its own memory, of this many bytes: exactly as much as was
// asked for, so that the address sanitizer catches any access outside, and in tests filled with NaNs.
template <class Body>
void for_each_piece(std::int64_t pieces, std::size_t bytes, [[maybe_unused]] int threads, const Body& body) {
#pragma omp parallel num_threads(std::clamp<int>(threads, 1, std::max<std::int64_t>(pieces, 1)))
  {
    const std::unique_ptr<CacheLine[]> memory(new CacheLine[(bytes + sizeof(CacheLine) - 1) / sizeof(CacheLine)]);
#pragma omp for schedule(static)
    for (std::int64_t n = 0; n < pieces; ++n) {
#if defined(QS_TEST_ORDER)
      std::memset(memory.get(), 0xff, bytes);
#endif
      body(ordered(n, pieces), memory.get());
    }
  }
}

#endif

}  // namespace qs::QS_TARGET
