// The plan of a transform of a given length: plain data that the host makes and a kernel receives by value.
#pragma once

#include "core/divider.h"

namespace qs {

constexpr int longest_transform = 2048;  // a line must fit into the cache of a core; a GPU's blocks take shorter ones
constexpr int most_stages = 6;           // 1458 = 6 * 3 * 3 * 3 * 3 * 3

// One stage takes `radix` numbers, `spread` apart, to as many in the same places. Blocks of radix * spread numbers are
// transforms of their own; `turn` is how many entries of the table of roots make up their first root.
struct Stage {
  int radix;
  Divider spread;
  int turn;
};

// Decimation in frequency: natural order in, digit-reversed order out. The inverse runs the stages backwards.
struct Plan {
  int length;
  int stages;
  Stage stage[most_stages];
};

// Whether `length` is at most longest_transform and has no prime factor above 7.
bool has_plan(int length);

// The plan for a length that has one, with a table of exp(-2 pi i k / roots), k = 0 .. roots - 1. For packets, of
// radices up to 8: as many numbers as registers hold. For the threads of blocks, which have more registers but pay for
// each stage by a round trip through shared memory, of up to 16: 96, 128, 160, 192, 240 and 256 take two stages.
Plan plan_of(int length, int roots, bool blocks);

// The frequency found at a place of the digit-reversed order.
int frequency_at(const Plan& plan, int place);

}  // namespace qs
