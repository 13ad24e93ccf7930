// Typed access to a Field from inside a kernel body.
#pragma once

#include "core/field.h"
#include "core/host_device.h"

namespace qs::QS_TARGET {

// One voxel of a launch: its coordinates, its offset inside a volume (32 bits) and its batch entry.
struct Voxel {
  int x[3];
  int offset;
  std::int64_t batch;

  // The voxel k further along the contiguous axis.
  QS_HD Voxel next(int k) const { return {{x[0], x[1], x[2] + k}, offset + k, batch}; }
};

// A body that works by blocks (core/parallel.h) takes up to this many neighbours along the contiguous axis at once.
constexpr int block_width = 32;

// Component c of a D-dimensional vector moves along this axis of the (X, Y, Z) or (X, 1, Y) layout.
template <int D>
QS_HD constexpr int axis_of(int component) {
  return D == 3 ? component : 2 * component;
}

// The sizes of a volume, and where it continues beyond its border the period along each axis, by its padding.
struct Extent {
  int n[3];
  int period[3] = {};
  QS_HD int stride(int axis) const { return axis == 0 ? n[1] * n[2] : (axis == 1 ? n[2] : 1); }
  QS_HD int voxels() const { return n[0] * n[1] * n[2]; }
};

inline Extent extent_of(const Field& field) { return {{field.shape[0], field.shape[1], field.shape[2]}}; }

// The extent of a field that continues: with itself, or (reflect) with its mirror image about the border samples.
inline Extent extent_of(const Field& field, Padding padding) {
  Extent e = extent_of(field);
  for (int axis = 0; axis < 3; ++axis) {
    const int n = e.n[axis];
    e.period[axis] = padding == Padding::reflect ? (n > 1 ? 2 * n - 2 : 1) : n;
  }
  return e;
}

// Channels of a field; volumes have fewer than 2^31 voxels, offsets across channels and batch are 64-bit. A batch of
// one stands for every entry of a larger one.
template <class T>
struct View {
  T* data;
  std::int64_t volume;
  std::int64_t batch_stride;

  QS_HD T* channel(std::int64_t batch, std::int64_t c) const { return data + batch * batch_stride + c * volume; }
  QS_HD T& at(const Voxel& v, std::int64_t c) const { return channel(v.batch, c)[v.offset]; }
};

template <class T>
View<T> view(const Field& field, std::int64_t first_channel = 0) {
  const std::int64_t volume = static_cast<std::int64_t>(field.shape[0]) * field.shape[1] * field.shape[2];
  const std::int64_t batch_stride = field.batch == 1 ? 0 : volume * field.channels;
  return {static_cast<T*>(field.data) + first_channel * volume, volume, batch_stride};
}

}  // namespace qs::QS_TARGET
