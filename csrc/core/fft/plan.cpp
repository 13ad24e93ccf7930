#include "core/fft/plan.h"

#include <iterator>

namespace qs {

namespace {

constexpr int largest_packet_radix = 8;
constexpr int block_radices[] = {16, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2};

// The largest radix that divides, of those that leave packets in registers.
int packet_radix(int length) {
  for (int radix = largest_packet_radix; radix > 1; --radix) {
    if (length % radix == 0) {
      return radix;
    }
  }
  return 0;
}

// Splits a length into exactly so many radices of blocks, none above `most`, the largest first.
bool split(int length, int stages, int most, int* radices) {
  if (stages == 0) {
    return length == 1;
  }
  for (const int radix : block_radices) {
    if (radix <= most && length % radix == 0 && split(length / radix, stages - 1, radix, radices + 1)) {
      *radices = radix;
      return true;
    }
  }
  return false;
}

// In as few stages as can be, and with these as small radices as can be: they decide about registers.
int split(int length, int* radices) {
  for (int stages = 0; stages <= most_stages; ++stages) {
    for (auto most = std::rbegin(block_radices); most != std::rend(block_radices); ++most) {
      if (split(length, stages, *most, radices)) {
        return stages;
      }
    }
  }
  return 0;
}

}  // namespace

bool has_plan(int length) {
  if (length < 1 || length > longest_transform) {
    return false;
  }
  while (length > 1 && packet_radix(length) != 0) {
    length /= packet_radix(length);
  }
  return length == 1;
}

Plan plan_of(int length, int roots, bool blocks) {
  int radices[most_stages];
  int stages = 0;
  if (blocks) {
    stages = split(length, radices);
  } else {
    for (int rest = length; rest > 1; rest /= radices[stages++]) {
      radices[stages] = packet_radix(rest);
    }
  }
  Plan plan{length, stages, {}};
  for (int n = 0, block = length; n < stages; block /= radices[n++]) {
    plan.stage[n] = {radices[n], divider(block / radices[n]), roots / block};
  }
  return plan;
}

int frequency_at(const Plan& plan, int place) {
  int frequency = 0, weight = 1;
  for (int n = 0; n < plan.stages; ++n) {
    const Stage& stage = plan.stage[n];
    frequency += place / stage.spread.divisor * weight;
    place %= stage.spread.divisor;
    weight *= stage.radix;
  }
  return frequency;
}

}  // namespace qs
