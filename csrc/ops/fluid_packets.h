// K or L by packets of lines, on the CPU: 8 lines of floats or 4 of doubles side by side (with AVX-512: 16 and 8), in
// three passes.
//
//   rows and middle axis of each plane -> first axis, symbol, first axis back -> middle axis and rows of each plane.
//
// The spectrum between them is a workspace of whole packets of neighbouring frequencies of the last axis, two registers
// each: a plane's packets are next to each other along the middle axis (in 2-D along the first). Digit-reversed along
// every axis: only the symbol's tables are permuted. Rows and planes of zeros around the field are neither transformed
// nor stored. A plane stays in a core's second-level cache and a line in the first, so that each pass reads and writes
// memory once: 72 bytes per voxel of an unpadded 3-D float32 field, half of it in a half band. Memory and instructions
// bound it alike (docs/kernels.md).
#pragma once

#include <algorithm>

#include "core/fft/packets.h"
#include "core/parallel.h"
#include "ops/fluid_call.h"
#include "ops/fluid_gain.h"

namespace qs::QS_TARGET {

template <class T, int D>
struct PacketSmoothing {
  static constexpr int width = Packet<T>::size;
  using Line = ComplexPacket<T>*;

  FluidCall<T, D> call;
  Plan rows, middle, first;
  int groups;                 // packets of the kept frequencies of the last axis
  std::int64_t plane, group;  // packets between planes and between groups of the spectrum
  std::int64_t component;     // and between components

  explicit PacketSmoothing(const FluidCall<T, D>& given)
      : call(given),
        rows(plan_of(call.half, call.size[D - 1], false)),
        middle(plan_of(call.size[D - 2], call.size[D - 2], false)),
        first(plan_of(call.size[0], call.size[0], false)),
        groups((call.kept[1] + width - 1) / width),
        plane(D == 3 ? groups * call.kept[0] : 1),
        group(D == 3 ? call.kept[0] : call.present[0]),
        component(D == 3 ? call.present[0] * plane : groups * group) {}

  void smooth(const T* field, T* out, const FluidSymbol& symbol) const {
    if constexpr (D == 3) {
      for_each_plane([&](std::int64_t n, Line row, Line slab) {
        transform_rows(field + n * plane_samples(), 0, call.present[1], row, slab, call.size[1]);
        transform_middle(slab, spectrum() + n * plane);
      });
    } else {
      for_each_chunk([&](std::int64_t n, int chunk, Line row) {
        transform_rows(field + n * plane_samples(), chunk, chunk + width, row, spectrum() + n * component, group);
      });
    }
    multiply_symbol(symbol);
    if constexpr (D == 3) {
      for_each_plane([&](std::int64_t n, Line row, Line slab) {
        transform_middle_back(spectrum() + n * plane, slab);
        transform_rows_back(slab, call.size[1], 0, call.present[1], row, out + n * plane_samples());
      });
    } else {
      for_each_chunk([&](std::int64_t n, int chunk, Line row) {
        transform_rows_back(spectrum() + n * component, group, chunk, chunk + width, row, out + n * plane_samples());
      });
    }
  }

 private:
  Line spectrum() const { return reinterpret_cast<Line>(call.spectrum); }
  std::int64_t plane_samples() const { return static_cast<std::int64_t>(call.present[D - 2]) * call.present[D - 1]; }
  std::size_t row_packets() const { return in_packets(call.half + 1); }

  // Where all rows are kept, the plane of the spectrum is the slab.
  template <class F>
  void for_each_plane(const F& f) const {
    const std::size_t slab = call.kept_rows ? groups * call.size[1] : 0;
    const std::size_t bytes = (row_packets() + slab) * sizeof(ComplexPacket<T>);
    for_each_piece(call.batch * D * call.present[0], bytes, call.queue.threads, [&](std::int64_t n, void* memory) {
      const Line row = static_cast<Line>(memory);
      f(n, row, call.kept_rows ? row + row_packets() : spectrum() + n * plane);
    });
  }

  // Of the rows of a 2-D component, a packet at a time.
  template <class F>
  void for_each_chunk(const F& f) const {
    const std::int64_t chunks = (call.present[0] + width - 1) / width;
    const std::size_t bytes = row_packets() * sizeof(ComplexPacket<T>);
    for_each_piece(call.batch * D * chunks, bytes, call.queue.threads, [&](std::int64_t n, void* memory) {
      f(n / chunks, static_cast<int>(n % chunks) * width, static_cast<Line>(memory));
    });
  }

  // Rows begin .. end of a plane, their kept frequencies into spectrum[g * gap + row].
  void transform_rows(const T* samples, int begin, int end, Line row, Line to, std::int64_t gap) const {
    for (int y = begin; y < end; y += width) {
      const int count = std::min(width, call.present[D - 2] - y);
      load_rows(samples + static_cast<std::int64_t>(y) * call.present[D - 1], count, row);
      transform<false>(rows, row, call.roots[D - 1]);
      untangle<false>(call.half, row, call.roots[D - 1], call.places);
      for (int g = 0; g < groups; ++g) {
        Packet<T> re[width], im[width];
        unroll<width>([&](auto k) QS_INLINE {
          const ComplexPacket<T>& value = row[place(std::min(g * width + k, call.kept[1] - 1))];
          re[k] = value.re;
          im[k] = value.im;
        });
        Packet<T>::transpose(re);
        Packet<T>::transpose(im);
        unroll<width>([&](auto n) QS_INLINE {
          if (n < count) {
            to[g * gap + y + n] = {re[n], im[n]};
          }
        });
      }
    }
  }

  void transform_rows_back(const ComplexPacket<T>* from, std::int64_t gap, int begin, int end, Line row,
                           T* samples) const {
    for (int y = begin; y < end; y += width) {
      const int count = std::min(width, call.present[D - 2] - y);
      if (call.kept_columns) {
        std::fill_n(row, call.half + 1, ComplexPacket<T>{});
      }
      for (int g = 0; g < groups; ++g) {
        const ComplexPacket<T>* const values = from + g * gap + y;
        Packet<T> re[width], im[width];
        unroll<width>([&](auto n) QS_INLINE {
          const ComplexPacket<T>& value = values[std::min<int>(n, count - 1)];
          re[n] = value.re;
          im[n] = value.im;
        });
        Packet<T>::transpose(re);
        Packet<T>::transpose(im);
        unroll<width>([&](auto k) QS_INLINE {
          if (g * width + k < call.kept[1]) {
            row[place(g * width + k)] = {re[k], im[k]};
          }
        });
      }
      untangle<true>(call.half, row, call.roots[D - 1], call.places);
      transform<true>(rows, row, call.roots[D - 1]);
      store_rows(row, count, samples + static_cast<std::int64_t>(y) * call.present[D - 1]);
    }
  }

  // The place in a row of a kept frequency.
  int place(int k) const { return call.kept_columns ? static_cast<int>(call.kept_columns[k]) : k; }

  // The first `count` rows from here side by side, in pairs of samples, zeros behind.
  void load_rows(const T* samples, int count, Line row) const {
    const int present = call.present[D - 1];
    std::fill(row + (present + 1) / 2, row + call.half, ComplexPacket<T>{});
    for (int z = 0; z < present; z += width) {
      const T* const first = samples + z;
      Packet<T> block[width];
      if (z + width <= present) {
        unroll<width>([&](auto n)
                          QS_INLINE { block[n] = Packet<T>::load(first + std::min<int>(n, count - 1) * present); });
      } else {
        unroll<width>([&](auto n) QS_INLINE {
          block[n] = Packet<T>::load(first + std::min<int>(n, count - 1) * present, present - z);
        });
      }
      Packet<T>::transpose(block);
      unroll<width / 2>([&](auto pair) QS_INLINE {
        if (z + 2 * pair < present) {
          row[z / 2 + pair] = {block[2 * pair], block[2 * pair + 1]};
        }
      });
    }
  }

  void store_rows(const ComplexPacket<T>* row, int count, T* samples) const {
    const int present = call.present[D - 1];
    for (int z = 0; z < present; z += width) {
      Packet<T> block[width];
      unroll<width / 2>([&](auto pair) QS_INLINE {
        block[2 * pair] = row[z / 2 + pair].re;
        block[2 * pair + 1] = row[z / 2 + pair].im;
      });
      Packet<T>::transpose(block);
      unroll<width>([&](auto n) QS_INLINE {
        if (n < count) {
          z + width <= present ? block[n].store(samples + n * present + z)
                               : block[n].store(samples + n * present + z, present - z);
        }
      });
    }
  }

  void transform_middle(Line slab, Line to) const {
    for (int g = 0; g < groups; ++g) {
      const Line line = slab + g * call.size[1];
      std::fill(line + call.present[1], line + call.size[1], ComplexPacket<T>{});
      transform<false>(middle, line, call.roots[1]);
      for (int n = 0; call.kept_rows && n < call.kept[0]; ++n) {
        to[g * group + n] = line[static_cast<int>(call.kept_rows[n])];
      }
    }
  }

  void transform_middle_back(const ComplexPacket<T>* from, Line slab) const {
    for (int g = 0; g < groups; ++g) {
      const Line line = slab + g * call.size[1];
      if (call.kept_rows) {
        std::fill_n(line, call.size[1], ComplexPacket<T>{});
        for (int n = 0; n < call.kept[0]; ++n) {
          line[static_cast<int>(call.kept_rows[n])] = from[g * group + n];
        }
      }
      transform<true>(middle, line, call.roots[1]);
    }
  }

  // Along the first axis, all components of a packet of columns: forward, symbol, back.
  void multiply_symbol(const FluidSymbol& symbol) const {
    const int length = call.size[0], columns = D == 3 ? call.kept[0] : 1;
    const Gain<Packet<T>, D> gain = gain_of<Packet<T>, D>(symbol, call.norm());
    const std::int64_t pieces = call.batch * groups * columns;
    for_each_piece(pieces, D * length * sizeof(ComplexPacket<T>), call.queue.threads,
                   [&](std::int64_t n, void* memory) {
                     const int y = static_cast<int>(n % columns), g = static_cast<int>(n / columns % groups);
                     const Line from = spectrum() + n / columns / groups * D * component + g * group + y;
                     const Line lines = static_cast<Line>(memory);
                     unroll<D>([&](auto a) QS_INLINE { load_line(from + a * component, lines + a * length); });
                     multiply_columns(gain, y, g, lines);
                     unroll<D>([&](auto a) QS_INLINE { store_line(lines + a * length, from + a * component); });
                   });
  }

  void load_line(const ComplexPacket<T>* from, Line line) const {
    for (int x = 0; x < call.present[0]; ++x) {
      __builtin_prefetch(from + x * plane + 1, 1, 2);  // of the next piece
      line[x] = from[x * plane];
    }
    std::fill(line + call.present[0], line + call.size[0], ComplexPacket<T>{});
    transform<false>(first, line, call.roots[0]);
  }

  void store_line(Line line, Line to) const {
    transform<true>(first, line, call.roots[0]);
    for (int x = 0; x < call.present[0]; ++x) {
      to[x * plane] = line[x];
    }
  }

  void multiply_columns(const Gain<Packet<T>, D>& gain, int y, int g, Line lines) const {
    const int length = call.size[0], lanes = call.kept[1] - g * width;
    using Table = const T* const(&)[D];
    const auto values = [&](Table table, Packet<T>(&at)[D]) QS_INLINE {
      at[D - 2] = Packet<T>(table[D - 2][D == 3 ? y : 0]);
      at[D - 1] = Packet<T>::load(table[D - 1] + g * width, lanes);
    };
    Packet<T> c[D], s[D];
    values(call.c, c);
    values(call.s, s);
    for (int x = 0; x < length; ++x) {
      const bool outside = call.c[0][x] > T(0);  // of the band
      c[0] = Packet<T>(call.c[0][x]);
      s[0] = Packet<T>(call.s[0][x]);
      Packet<T> re[D] = {}, im[D] = {};
      if (!outside) {
        unroll<D>([&](auto a) QS_INLINE {
          re[a] = lines[a * length + x].re;
          im[a] = lines[a * length + x].im;
        });
        gain.template apply<false>(gain.at(c, s), re, im);
      }
      unroll<D>([&](auto a) QS_INLINE { lines[a * length + x] = {re[a], im[a]}; });
    }
  }
};

template <class T, int D>
void smooth_by_packets(const FluidCall<T, D>& call, const Field& field, const Field& out, const FluidSymbol& symbol) {
  PacketSmoothing<T, D>(call).smooth(static_cast<const T*>(field.data), static_cast<T*>(out.data), symbol);
}

}  // namespace qs::QS_TARGET
