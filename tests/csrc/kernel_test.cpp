// Every kernel body on exactly sized heap arrays (the address sanitizer sees any step outside), with displacements that
// leave the grid, are huge or are no numbers at all, and with the pieces of work taken forwards, backwards and shuffled
// by one and by three workers: each must give the same bits, or two pieces touch the same result.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ops/operators.h"
#include "order.h"
#include "transform_tables.h"

namespace qs::cpu_test {

const Operators& operators();

}  // namespace qs::cpu_test

namespace {

using namespace qs;
using namespace qs::cpu_test;

template <class T>
struct Case {
  int dims;
  int shape[3] = {9, 8, 37};
  std::mt19937 random{7};
  const Operators& ops = cpu_test::operators();

  Array<T> array(std::int64_t channels, double scale = 1) {
    Array<T> a(dtype_of<T>, dims, 2, channels, shape);
    a.randomise(random, scale);
    return a;
  }

  Array<T> wild_displacement() {
    Array<T> u = array(dims, 4);
    u.values[3] = std::numeric_limits<T>::quiet_NaN();
    u.values[11] = std::numeric_limits<T>::infinity();
    u.values[17] = T(-1e30);
    u.values[u.size - 1] = T(1e9);
    return u;
  }

  void sampling() {
    auto u = wild_displacement();
    for (const std::int64_t channels : {std::int64_t(1), std::int64_t(dims), std::int64_t(dims + 1)}) {
      auto image = array(channels), grad = array(channels), out = array(channels), vectors = array(dims);
      Array<std::int64_t> sums(DType::bits64, dims, 2, channels, shape);
      for (const Mode mode : {Mode::nearest, Mode::linear, Mode::cubic}) {
        for (const Padding padding : {Padding::border, Padding::zeros, Padding::reflect, Padding::wrap}) {
          const Sampling how{mode, padding};
          same_bits<T>("warp", {&out}, [&](const Queue& q) { ops.warp(image.field, u.field, out.field, how, q); });
          same_bits<T>("splat", {&out},
                       [&](const Queue& q) { ops.splat(image.field, u.field, out.field, nullptr, how, q); });
          same_bits<std::int64_t>("splat in fixed point", {&sums}, [&](const Queue& q) {
            ops.splat(image.field, u.field, sums.field, &fixed_scale, how, q);
          });
          same_bits<T>("warp_displacement_gradient", {&vectors}, [&](const Queue& q) {
            ops.warp_displacement_gradient(image.field, u.field, grad.field, vectors.field, how, q);
          });
          if (mode != Mode::nearest && channels == dims) {
            same_bits<T>("compose", {&out},
                         [&](const Queue& q) { ops.compose(image.field, u.field, out.field, how, q); });
          }
        }
      }
    }
  }

  void labels() {
    auto u = wild_displacement();
    Array<std::uint16_t> labels(DType::bits16, dims, 2, 2, shape), out(DType::bits16, dims, 2, 2, shape);
    labels.randomise(random, 1000);
    for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::wrap}) {
      same_bits<std::uint16_t>("warp_bits", {&out},
                               [&](const Queue& q) { ops.warp_bits(labels.field, u.field, out.field, padding, q); });
      same_bits<std::uint16_t>("warp_labels", {&out},
                               [&](const Queue& q) { ops.warp_labels(labels.field, u.field, out.field, padding, q); });
    }
  }

  // One image for every displacement, and the sum of what they scatter.
  void broadcasting() {
    auto u = wild_displacement(), out = array(2);
    Array<T> one(dtype_of<T>, dims, 1, 2, shape);
    one.randomise(random, 1);
    const Sampling how{Mode::linear, Padding::border};
    same_bits<T>("warp of one image", {&out}, [&](const Queue& q) { ops.warp(one.field, u.field, out.field, how, q); });
    same_bits<T>("splat into one image", {&one},
                 [&](const Queue& q) { ops.splat(out.field, u.field, one.field, nullptr, how, q); });
  }

  void second_order() {
    auto u = wild_displacement(), image = array(2), values = array(2), h = array(dims), out = array(2),
         vectors = array(dims);
    for (const Mode mode : {Mode::linear, Mode::cubic}) {
      for (const Padding padding : {Padding::border, Padding::zeros, Padding::reflect, Padding::wrap}) {
        const Sampling how{mode, padding};
        same_bits<T>("warp_tangent", {&out},
                     [&](const Queue& q) { ops.warp_tangent(image.field, u.field, h.field, out.field, how, q); });
        same_bits<T>("splat_tangent", {&out},
                     [&](const Queue& q) { ops.splat_tangent(values.field, u.field, h.field, out.field, how, q); });
        same_bits<T>("warp_hessian", {&vectors}, [&](const Queue& q) {
          ops.warp_hessian(image.field, u.field, values.field, h.field, vectors.field, how, q);
        });
      }
    }
  }

  void residual() {
    auto u = wild_displacement(), image = array(dims + 1), target = array(dims + 1), out = array(dims + 1),
         slopes = array(dims);
    Field none = slopes.field;
    none.data = nullptr;
    for (const Padding padding : {Padding::border, Padding::zeros}) {
      same_bits<T>("warp_residual", {&out, &slopes}, [&](const Queue& q) {
        ops.warp_residual(image.field, target.field, u.field, out.field, slopes.field, padding, q);
      });
      same_bits<T>("warp_residual alone", {&out}, [&](const Queue& q) {
        ops.warp_residual(image.field, target.field, u.field, out.field, none, padding, q);
      });
    }
  }

  void maps() {
    auto u = wild_displacement(), m = array(dims), g = array(dims), out = array(dims), other = array(dims);
    auto scalar = array(1), grad = array(1), matrices = array(dims * dims), result = array(dims * dims);
    for (const Faces faces : {Faces::one_sided, Faces::half}) {
      same_bits<T>("jacobian_determinant", {&scalar},
                   [&](const Queue& q) { ops.jacobian_determinant(u.field, scalar.field, faces, q); });
      same_bits<T>("jacobian_determinant_gradient", {&result}, [&](const Queue& q) {
        ops.jacobian_determinant_gradient(u.field, grad.field, result.field, faces, q);
      });
      same_bits<T>("gradient", {&result}, [&](const Queue& q) { ops.gradient(m.field, result.field, true, faces, q); });
      same_bits<T>("gradient_transpose", {&out},
                   [&](const Queue& q) { ops.gradient_transpose(matrices.field, out.field, faces, q); });
      same_bits<T>("divergence", {&scalar}, [&](const Queue& q) { ops.divergence(m.field, scalar.field, faces, q); });
      same_bits<T>("divergence_transpose", {&out},
                   [&](const Queue& q) { ops.divergence_transpose(grad.field, out.field, faces, q); });
      same_bits<T>("ad", {&out}, [&](const Queue& q) { ops.ad(u.field, m.field, out.field, faces, q); });
      same_bits<T>("ad_star", {&out}, [&](const Queue& q) { ops.ad_star(u.field, m.field, out.field, faces, q); });
      same_bits<T>("Ad_star", {&out}, [&](const Queue& q) { ops.Ad_star(m.field, u.field, out.field, faces, q); });
      same_bits<T>("Ad_star_gradient", {&out, &result, &other}, [&](const Queue& q) {
        ops.Ad_star_gradient(m.field, u.field, g.field, out.field, result.field, other.field, faces, q);
      });
    }
    same_bits<T>("invert", {&out, &scalar},
                 [&](const Queue& q) { ops.invert(u.field, out.field, scalar.field, 5, 1e-4, q); });
    same_bits<T>("invert_gradient", {&out},
                 [&](const Queue& q) { ops.invert_gradient(u.field, m.field, g.field, out.field, q); });
    for (const Padding padding : {Padding::border, Padding::zeros}) {
      same_bits<T>("update_inverse", {&out},
                   [&](const Queue& q) { ops.update_inverse(m.field, u.field, out.field, 5, 1e-6, padding, q); });
    }
  }

  void steps() {
    auto w = wild_displacement(), map = array(dims), grad = array(dims), out = array(dims), to_w = array(dims);
    auto a = array(dims), b = array(dims), c = array(dims), before = array(dims);
    for (const Mode mode : {Mode::linear, Mode::cubic}) {
      same_bits<T>("advance", {&out},
                   [&](const Queue& q) { ops.advance(w.field, map.field, out.field, 0.3, mode, q); });
      same_bits<T>("advance_gradient", {&a, &b, &c, &out, &to_w}, [&](const Queue& q) {
        ops.advance_gradient(w.field, map.field, grad.field, a.field, b.field, c.field, out.field, to_w.field, 0.3,
                             mode, q);
      });
    }
    const auto in_place = [&] { std::memcpy(out.values.get(), before.values.get(), out.size * sizeof(T)); };
    same_bits<T>("follow", {&out}, [&](const Queue& q) {
      in_place();
      ops.follow(w.field, out.field, out.field, 0.3, q);
    });
    same_bits<T>("follow_gradient", {&a, &b, &c, &out, &to_w}, [&](const Queue& q) {
      in_place();
      ops.follow_gradient(w.field, map.field, out.field, a.field, b.field, c.field, to_w.field, 0.3, q);
    });
  }

  void fluid() {
    int doubled[3] = {shape[0], shape[1], 2 * shape[2]};  // complex numbers are pairs
    Array<T> spectrum(dtype_of<T>, dims, 2, dims, doubled), start(dtype_of<T>, dims, 2, dims, doubled);
    start.randomise(random, 1);
    Field view = spectrum.field;
    view.shape[2] = shape[2];
    std::vector<T> tables(2 * static_cast<std::size_t>(shape[0] + (dims == 3 ? shape[1] : 0) + shape[2]), T(-0.5));
    for (const bool inverse : {false, true}) {
      const FluidSymbol symbol{0.01, 0.01, 0.001, 2, inverse, {1, 1, 1}};
      same_bits<T>("fluid_symbol", {&spectrum}, [&](const Queue& q) {
        std::memcpy(spectrum.values.get(), start.values.get(), start.size * sizeof(T));
        ops.fluid_symbol(view, tables.data(), symbol, q);
      });
    }
  }

  // Both forms, on a torus with every radix, in the full band and in a half one.
  void smoothing() {
    const int middle = dims == 3 ? 30 : 1;
    for (const int block_memory : {1 << 20, 3000}) {
      smoothing({{14, middle, 48}, {middle, 25}, block_memory});
      smoothing({{14, middle, 48}, {(middle + 1) / 2, 12}, block_memory});
    }
  }

  // The workspace begins as no numbers.
  void smoothing(const FluidTorus& on) {
    const int rest = std::max(dims == 3 ? shape[1] : 1, on.kept[0]) * ((on.kept[1] + 7) / 8 * 8);
    auto field = array(dims), out = array(dims);
    Array<T> workspace(dtype_of<T>, 2, 2, dims, {shape[0], 1, 2 * rest});
    Field view = workspace.field;
    view.shape[2] = rest;
    const std::vector<T> tables = transform_tables<T>(on, dims);
    const FluidSymbol symbol{0.01, 0.01, 0.001, 2, true, {1, 1, 1}};
    same_bits<T>("fluid", {&out}, [&](const Queue& q) {
      std::fill_n(workspace.values.get(), workspace.size, std::numeric_limits<T>::quiet_NaN());
      ops.fluid(field.field, out.field, view, tables.data(), on, symbol, q);
    });
    const T sum = std::accumulate(out.values.get(), out.values.get() + out.size, T(0));
    expect(std::isfinite(sum) && sum != T(0), "fluid reads what was not written");
  }

  void patches() {
    auto image = array(2), out = array(2);
    const int size = 7;
    std::vector<std::int64_t> corners;
    for (const int shift : {0, 1, 2}) {
      corners.insert(corners.end(), {shift % 2, shift});
      if (dims == 3) {
        corners.push_back(shape[1] - size);
      }
      corners.push_back(shape[2] - size - shift);
    }
    Array<T> patches(dtype_of<T>, dims, 3, 2, {size, size, size});
    same_bits<T>("extract_patches", {&patches},
                 [&](const Queue& q) { ops.extract_patches(image.field, corners.data(), patches.field, q); });
    same_bits<T>("add_patches", {&out},
                 [&](const Queue& q) { ops.add_patches(patches.field, corners.data(), out.field, nullptr, q); });
    auto wild = corners;  // nobody checks them on a GPU
    wild[0] = -3;
    wild[1] = std::int64_t(1) << 40;
    wild.back() = std::numeric_limits<std::int64_t>::min();
    same_bits<T>("extract_patches outside", {&patches},
                 [&](const Queue& q) { ops.extract_patches(image.field, wild.data(), patches.field, q); });
    Array<std::int64_t> sums(DType::bits64, dims, 2, 2, shape);
    same_bits<std::int64_t>("add_patches in fixed point", {&sums}, [&](const Queue& q) {
      ops.add_patches(patches.field, corners.data(), sums.field, &fixed_scale, q);
    });
  }

  void refusals() {
    auto u = array(dims), wrong = array(dims + 1), out = array(dims);
    bool refused = false;
    try {
      ops.Ad_star(wrong.field, u.field, out.field, Faces::half, Queue{-1, nullptr, 1});
    } catch (const std::invalid_argument& error) {
      refused = std::string(error.what()).rfind("Ad_star: momentum: ", 0) == 0;
    }
    expect(refused, "Ad_star accepts a momentum with too many components");
  }

  void all() {
    sampling();
    labels();
    broadcasting();
    second_order();
    residual();
    maps();
    steps();
    fluid();
    smoothing();
    patches();
    refusals();
  }
};

}  // namespace

// kernel_test DIMS TYPE: one share of the cases, so that shares can run side by side.
int main(int count, char** words) {
  const std::string type = count == 3 ? words[2] : "";
  if (type != "float" && type != "double") {
    std::printf("expected kernel_test 2|3 float|double\n");
    return 2;
  }
  const int dims = std::atoi(words[1]);
  type == "float" ? Case<float>{dims}.all() : Case<double>{dims}.all();
  std::printf(failures == 0 ? "all kernels passed\n" : "%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
}
