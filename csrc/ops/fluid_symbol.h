#pragma once

namespace qs {

// The symbol of L = -alpha lap - beta grad div + gamma, to the given power, between voxel units: `scale` multiplies
// each component before and after (1 / h for K, h for L).
struct FluidSymbol {
  double alpha, beta, gamma;
  int power;
  bool inverse;  // K = L^-power rather than L^power
  double scale[3];
};

// The torus that fields are padded to, laid out as a Field's shape; how many frequencies of the middle and of the last
// axis its spectrum keeps; and the bytes of shared memory that a block of the device may have, which decide between the
// forms of the transform.
struct FluidTorus {
  int size[3];
  int kept[2];
  int block_memory;
};

}  // namespace qs
