// What a kernel computes must not depend on the order of its pieces of work, nor on who does them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "core/field.h"

namespace qs::cpu_test {

enum class Order { forwards, backwards, shuffled };
inline Order order = Order::forwards;

std::int64_t ordered(std::int64_t piece, std::int64_t pieces);

inline int failures = 0;

inline void expect(bool ok, const std::string& what) {
  if (!ok) {
    ++failures;
    std::printf("FAILED %s\n", what.c_str());
  }
}

// A field that owns exactly as many elements as it has.
template <class T>
struct Array {
  static constexpr std::align_val_t line{64};  // of the cache, where a workspace begins
  struct Free {
    void operator()(T* data) const { ::operator delete[](data, line); }
  };
  std::unique_ptr<T[], Free> values;
  std::size_t size;
  Field field;

  Array(DType dtype, int dims, std::int64_t batch, std::int64_t channels, const int (&shape)[3])
      : field{nullptr, dtype, dims, batch, channels, {shape[0], dims == 3 ? shape[1] : 1, shape[2]}} {
    size = static_cast<std::size_t>(batch * channels * field.shape[0] * field.shape[1] * field.shape[2]);
    values.reset(new (line) T[size]());
    field.data = values.get();
  }
  void randomise(std::mt19937& random, double scale) {
    std::normal_distribution<double> normal(0, scale);
    for (std::size_t n = 0; n < size; ++n) {
      values[n] = static_cast<T>(normal(random));
    }
  }
  void clear() { std::fill_n(values.get(), size, T(0)); }
};

constexpr double fixed_scale = 1099511627776.0;  // 2^40

template <class T>
constexpr DType dtype_of = sizeof(T) == 4 ? DType::float32 : DType::float64;

// Runs work(queue) in every order and with one and three workers; the outputs must have the same bits each time.
template <class T>
void same_bits(const std::string& name, std::vector<Array<T>*> outputs, const std::function<void(const Queue&)>& work) {
  std::vector<std::vector<T>> first;
  for (const Order order : {Order::forwards, Order::backwards, Order::shuffled}) {
    for (const int threads : {1, 3}) {
      cpu_test::order = order;
      for (auto* output : outputs) {
        output->clear();
      }
      work(Queue{-1, nullptr, threads});
      for (std::size_t n = 0; n < outputs.size(); ++n) {
        const T* values = outputs[n]->values.get();
        if (first.size() <= n) {
          first.emplace_back(values, values + outputs[n]->size);
        }
        expect(std::memcmp(first[n].data(), values, outputs[n]->size * sizeof(T)) == 0, name + " depends on the order");
      }
    }
  }
}

}  // namespace qs::cpu_test
