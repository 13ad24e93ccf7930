"""The fewest bytes each operator must move: what bounds it on a GPU.

Per voxel, float32, 3-D, counting every field read and written once; gathers hit the cache, since neighbours read neighbours.
"""

from __future__ import annotations

FIELD = 4
VECTOR = 3 * FIELD

BYTES = {
    "copy": 2 * FIELD,
    "warp, 1 channel": VECTOR + 2 * FIELD,
    "warp, 3 channels": VECTOR + 2 * VECTOR,
    "warp_displacement_gradient, 3 channels": VECTOR + 2 * VECTOR + VECTOR,
    "splat, 3 channels": VECTOR + 2 * VECTOR,
    "compose": 3 * VECTOR,
    "Ad_star": 3 * VECTOR,
    "jacobian_determinant": VECTOR + FIELD,
    "invert": 2 * VECTOR + FIELD,
    "sharp": 6 * VECTOR,  # three kernels: slabs there, columns with the symbol, slabs back
    # A smoothing, Ad*, foot and composition in one (psi twice, v and v before), and 48 for phi.
    "shoot, a step": 6 * VECTOR + 3 * VECTOR + 4 * VECTOR + 4 * VECTOR,
}
