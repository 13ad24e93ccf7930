// Every kernel on small fields: what it is called with. `check(name, outputs, work)` runs work(operators, queue) in
// several ways and compares the outputs; check.expect(ok, what) tells what else is wrong.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "arrays.h"
#include "ops/operators.h"
#include "transform_tables.h"

namespace qs {

#if defined(QS_EMULATE)
constexpr bool emulated = true;
#else
constexpr bool emulated = false;
#endif

template <class T, class Check>
struct KernelCases {
  Check& check;
  int dims;
  bool wild;  // displacements that leave the grid, are huge or no numbers
  int shape[3] = {9, 8, 37};
  std::mt19937 random{7};
  const Array<double> scale{std::vector<double>{1099511627776.0}};  // 2^40, of fixed-point sums

  Array<T> array(std::int64_t channels, double scale = 1) {
    return Array<T>(dims, 2, channels, shape, [&](Array<T>& a) { a.randomise(random, scale); });
  }

  Array<T> displacement() { return displacement(dims); }

  // A displacement whose vectors lie together.
  Array<T> vectors() { return displacement(dims == 3 ? 4 : 2); }

  Array<T> displacement(std::int64_t numbers) {
    return Array<T>(dims, 2, numbers, shape, [&](Array<T>& u) {
      u.randomise(random, wild ? 4 : 0.2);
      if (wild) {
        u.values()[3] = std::numeric_limits<T>::quiet_NaN();
        u.values()[11] = std::numeric_limits<T>::infinity();
        u.values()[17] = T(-1e30);
        u.values()[u.size() - 1] = T(1e9);
      }
    });
  }

  void sampling() {
    auto u = displacement();
    for (const std::int64_t channels : {std::int64_t(1), std::int64_t(dims), std::int64_t(dims + 1)}) {
      auto image = array(channels), grad = array(channels), out = array(channels), vectors = array(dims);
      Array<std::int64_t> sums(dims, 2, channels, shape);
      for (const Mode mode : {Mode::nearest, Mode::linear, Mode::cubic}) {
        for (const Padding padding : {Padding::border, Padding::zeros, Padding::reflect, Padding::wrap}) {
          const Sampling how{mode, padding};
          check("warp", {result(out)}, [&](auto& ops, auto& q) { ops.warp(image.field, u.field, out.field, how, q); });
          check("splat", {sum(out)},
                [&](auto& ops, auto& q) { ops.splat(image.field, u.field, out.field, nullptr, how, q); });
          check("splat in fixed point", {sum(sums)},
                [&](auto& ops, auto& q) { ops.splat(image.field, u.field, sums.field, scale.data(), how, q); });
          if (mode == Mode::nearest) {
            continue;
          }
          check("warp_displacement_gradient", {result(vectors)}, [&](auto& ops, auto& q) {
            ops.warp_displacement_gradient(image.field, u.field, grad.field, vectors.field, how, q);
          });
          if (channels == dims) {
            check("compose", {result(out)},
                  [&](auto& ops, auto& q) { ops.compose(image.field, u.field, out.field, how, q); });
          }
        }
      }
    }
  }

  void labels() {
    auto u = displacement();
    Array<std::uint16_t> labels(dims, 2, 2, shape, [&](auto& a) { a.randomise(random, 1000); });
    Array<std::uint16_t> out(dims, 2, 2, shape);
    for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::wrap}) {
      check("warp_bits", {result(out)},
            [&](auto& ops, auto& q) { ops.warp_bits(labels.field, u.field, out.field, padding, q); });
      check("warp_labels", {result(out)},
            [&](auto& ops, auto& q) { ops.warp_labels(labels.field, u.field, out.field, padding, q); });
    }
  }

  // One image for every displacement, and the sum of what they scatter.
  void broadcasting() {
    auto u = displacement(), out = array(2);
    Array<T> one(dims, 1, 2, shape, [&](Array<T>& a) { a.randomise(random, 1); });
    const Sampling how{Mode::linear, Padding::border};
    check("warp of one image", {result(out)},
          [&](auto& ops, auto& q) { ops.warp(one.field, u.field, out.field, how, q); });
    check("splat into one image", {sum(one)},
          [&](auto& ops, auto& q) { ops.splat(out.field, u.field, one.field, nullptr, how, q); });
  }

  void second_order() {
    auto u = displacement(), image = array(2), values = array(2), h = array(dims), out = array(2),
         vectors = array(dims);
    for (const Mode mode : {Mode::linear, Mode::cubic}) {
      for (const Padding padding : {Padding::border, Padding::zeros, Padding::reflect, Padding::wrap}) {
        const Sampling how{mode, padding};
        check("warp_tangent", {result(out)},
              [&](auto& ops, auto& q) { ops.warp_tangent(image.field, u.field, h.field, out.field, how, q); });
        check("splat_tangent", {sum(out)},
              [&](auto& ops, auto& q) { ops.splat_tangent(values.field, u.field, h.field, out.field, how, q); });
        check("warp_hessian", {result(vectors)}, [&](auto& ops, auto& q) {
          ops.warp_hessian(image.field, u.field, values.field, h.field, vectors.field, how, q);
        });
      }
    }
  }

  void similarities() {
    auto u = displacement(), image = array(dims + 1), target = array(dims + 1), out = array(dims + 1),
         slopes = array(dims);
    Field none = slopes.field;
    none.data = nullptr;
    for (const Padding padding : {Padding::border, Padding::zeros}) {
      check("warp_residual", {result(out), result(slopes)}, [&](auto& ops, auto& q) {
        ops.warp_residual(image.field, target.field, u.field, out.field, slopes.field, padding, q);
      });
      check("warp_residual alone", {result(out)}, [&](auto& ops, auto& q) {
        ops.warp_residual(image.field, target.field, u.field, out.field, none, padding, q);
      });
    }
    for (int axis = 0; axis < dims; ++axis) {  // 21 is more than some axes have
      check("box_mean", {result(out)}, [&](auto& ops, auto& q) { ops.box_mean(image.field, out.field, axis, 21, q); });
    }
  }

  void maps() {
    auto u = displacement(), m = array(dims), g = array(dims), out = array(dims), other = array(dims);
    auto scalar = array(1), grad = array(1), matrices = array(dims * dims), slopes = array(dims * dims);
    for (const Faces faces : {Faces::one_sided, Faces::half}) {
      check("jacobian_determinant", {result(scalar)},
            [&](auto& ops, auto& q) { ops.jacobian_determinant(u.field, scalar.field, faces, q); });
      check("jacobian_determinant_gradient", {result(slopes)}, [&](auto& ops, auto& q) {
        ops.jacobian_determinant_gradient(u.field, grad.field, slopes.field, faces, q);
      });
      check("gradient", {result(slopes)},
            [&](auto& ops, auto& q) { ops.gradient(m.field, slopes.field, true, faces, q); });
      check("gradient_transpose", {result(out)},
            [&](auto& ops, auto& q) { ops.gradient_transpose(matrices.field, out.field, faces, q); });
      check("divergence", {result(scalar)},
            [&](auto& ops, auto& q) { ops.divergence(m.field, scalar.field, faces, q); });
      check("divergence_transpose", {result(out)},
            [&](auto& ops, auto& q) { ops.divergence_transpose(grad.field, out.field, faces, q); });
      check("ad", {result(out)}, [&](auto& ops, auto& q) { ops.ad(u.field, m.field, out.field, faces, q); });
      check("ad_star", {result(out)}, [&](auto& ops, auto& q) { ops.ad_star(u.field, m.field, out.field, faces, q); });
      check("Ad_star", {result(out)}, [&](auto& ops, auto& q) { ops.Ad_star(m.field, u.field, out.field, faces, q); });
      check("Ad_star_gradient", {result(out), result(slopes), result(other)}, [&](auto& ops, auto& q) {
        ops.Ad_star_gradient(m.field, u.field, g.field, out.field, slopes.field, other.field, faces, q);
      });
    }
    check("smallest_determinant", {result(scalar)},
          [&](auto& ops, auto& q) { ops.smallest_determinant(u.field, scalar.field, q); });
    check("invert", {result(out), result(scalar)},
          [&](auto& ops, auto& q) { ops.invert(u.field, out.field, scalar.field, 2, 1e-4, q); });
    check("invert_gradient", {result(out)},
          [&](auto& ops, auto& q) { ops.invert_gradient(u.field, m.field, g.field, out.field, q); });
    for (const Padding padding : {Padding::border, Padding::zeros}) {
      check("update_inverse", {result(out)},
            [&](auto& ops, auto& q) { ops.update_inverse(m.field, u.field, out.field, 5, 1e-6, padding, q); });
    }
  }

  void steps() {
    auto w = vectors(), psi = vectors(), together = vectors();
    auto map = displacement(), grad = array(dims), out = array(dims), to_w = array(dims);
    auto a = array(dims), b = array(dims), c = array(dims), phi = array(dims);
    check("interleave", {result(together)},
          [&](auto& ops, auto& q) { ops.interleave(map.field, grad.field, together.field, 0.5, q); });
    for (const Mode mode : {Mode::linear, Mode::cubic}) {
      check("advance", {result(out)},
            [&](auto& ops, auto& q) { ops.advance(w.field, psi.field, out.field, 0.3, mode, q); });
      check("advance_gradient", {result(a), result(b), result(c), result(out), result(to_w)}, [&](auto& ops, auto& q) {
        ops.advance_gradient(w.field, psi.field, grad.field, a.field, b.field, c.field, out.field, to_w.field, 0.3,
                             mode, q);
      });
    }
    check("follow", {changed(phi)}, [&](auto& ops, auto& q) { ops.follow(w.field, phi.field, phi.field, 0.3, q); });
    check("follow_gradient", {result(a), result(b), result(c), changed(phi), sum(to_w)}, [&](auto& ops, auto& q) {
      ops.follow_gradient(w.field, map.field, phi.field, a.field, b.field, c.field, to_w.field, 0.3, q);
    });
  }

  void symbol() {
    Array<T> spectrum(dims, 2, dims, {shape[0], shape[1], 2 * shape[2]}, [&](Array<T>& a) { a.randomise(random, 1); });
    const Array<T> tables(
        std::vector<T>(2 * static_cast<std::size_t>(shape[0] + (dims == 3 ? shape[1] : 0) + shape[2]), T(-0.5)));
    for (const bool inverse : {false, true}) {
      const FluidSymbol how{0.01, 0.01, 0.001, 2, inverse, {1, 1, 1}};
      check("fluid_symbol", {changed(spectrum)},
            [&](auto& ops, auto& q) { ops.fluid_symbol(as_complex(spectrum), tables.data(), how, q); });
    }
  }

  // Both forms, on tori with every radix, in the full band and in a half one.
  void smoothing() {
    constexpr int tori[][3] = {{14, 30, 48}, {160, 12, 48}, {64, 15, 42}};
    for (const int (&size)[3] : tori) {
      const int middle = dims == 3 ? size[1] : 1, half = size[2] / 2;
      for (const int block_memory : {1 << 20, 3000}) {
        smoothing({{size[0], middle, size[2]}, {middle, half + 1}, block_memory});
        smoothing({{size[0], middle, size[2]}, {(middle + 1) / 2, half / 2}, block_memory});
      }
    }
  }

  void smoothing(const FluidTorus& on) {
    const int rest = std::max(dims == 3 ? shape[1] : 1, on.kept[0]) * ((on.kept[1] + 15) / 16 * 16);
    const int few[3] = {5, shape[1], shape[2]};
    const Array<T> field(dims, 1, dims, few, [&](Array<T>& a) { a.randomise(random, 1); });
    Array<T> out(dims, 1, dims, few), spectrum(2, 1, dims, {few[0], 1, 2 * rest});
    const Array<T> of_packets(transform_tables<T>(on, dims, false)), of_blocks(transform_tables<T>(on, dims, true));
    const FluidSymbol how{0.01, 0.01, 0.001, 2, true, {1, 1, 1}};
    check("fluid", {result(out), workspace(spectrum)}, [&](auto& ops, auto& q) {
      const Array<T>& tables = q.device < 0 && !emulated ? of_packets : of_blocks;
      ops.fluid(field.field, out.field, as_complex(spectrum), tables.data(), on, how, q);
    });
    const T total = std::accumulate(out.values(), out.values() + out.size(), T(0));
    check.expect(std::isfinite(total) && total != T(0), "fluid reads what was not written");
  }

  // An array of pairs of numbers.
  static Field as_complex(const Buffer& pairs) {
    Field field = pairs.field;
    field.shape[2] /= 2;
    return field;
  }

  void patches() {
    auto image = array(2), out = array(2);
    const int size = 7;
    std::vector<std::int64_t> places;
    for (const int shift : {0, 1, 2}) {
      places.insert(places.end(), {shift % 2, shift});
      places.insert(places.end(), dims - 2, shape[1] - size);
      places.push_back(shape[2] - size - shift);
    }
    Array<T> patches(dims, 3, 2, {size, size, size});
    const Array<std::int64_t> corners(places);
    check("extract_patches", {result(patches)},
          [&](auto& ops, auto& q) { ops.extract_patches(image.field, corners.data(), patches.field, q); });
    check("add_patches", {sum(out)},
          [&](auto& ops, auto& q) { ops.add_patches(patches.field, corners.data(), out.field, nullptr, q); });
    places[0] = -3;  // nobody checks them on a GPU
    places[1] = std::int64_t(1) << 40;
    places.back() = std::numeric_limits<std::int64_t>::min();
    const Array<std::int64_t> outside(places);
    check("extract_patches outside", {result(patches)},
          [&](auto& ops, auto& q) { ops.extract_patches(image.field, outside.data(), patches.field, q); });
    Array<std::int64_t> sums(dims, 2, 2, shape);
    check("add_patches in fixed point", {sum(sums)},
          [&](auto& ops, auto& q) { ops.add_patches(patches.field, outside.data(), sums.field, scale.data(), q); });
  }

  void all() {
    sampling();
    labels();
    broadcasting();
    second_order();
    similarities();
    maps();
    steps();
    symbol();
    smoothing();
    patches();
  }
};

// Runs some of the cases: words are those of the command line, DIMS and TYPE.
template <class Check, class Run>
bool run_kernels(Check& check, const std::vector<std::string>& words, bool wild, const Run& run) {
  if (words.size() != 2 || (words[1] != "float" && words[1] != "double")) {
    return false;
  }
  const int dims = std::stoi(words[0]);
  words[1] == "float" ? run(KernelCases<float, Check>{check, dims, wild})
                      : run(KernelCases<double, Check>{check, dims, wild});
  return true;
}

template <class Check>
bool run_kernels(Check& check, const std::vector<std::string>& words, bool wild) {
  return run_kernels(check, words, wild, [](auto cases) { cases.all(); });
}

}  // namespace qs
