#include "core/fft/plan.h"

namespace qs {

namespace {

// The largest radix that divides: few stages, each of which is one round trip through shared memory.
int radix_of(int length) {
  for (int radix = 8; radix > 1; --radix) {
    if (length % radix == 0) {
      return radix;
    }
  }
  return 0;
}

}  // namespace

bool has_plan(int length) {
  if (length < 1 || length > longest_transform) {
    return false;
  }
  while (length > 1 && radix_of(length) != 0) {
    length /= radix_of(length);
  }
  return length == 1;
}

Plan plan_of(int length, int roots) {
  Plan plan{length, 0, {}};
  for (int block = length; block > 1;) {
    const int radix = radix_of(block);
    plan.stage[plan.stages++] = {radix, divider(block / radix), roots / block};
    block /= radix;
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
