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
    # A smoothing, Ad*, the mean of two velocities, foot and composition in one, and phi.
    "shoot, a step": (6 + 3 + 3 + 3 + 3) * VECTOR,
}

# What each kernel moves, as counted in its source: per voxel of what it runs over, C channels, D components.
COUNTED = {
    "Add": "8 C",
    "AdStar": "36",
    "AdStarGradient": "108: three fields read, two and the 3 x 3 matrices written",
    "Advance": "36",
    "AdvanceGradient": "96",
    "Bracket": "36",
    "BracketTransposed": "36",
    "Columns": "24 of 72 (three kernels), in place",
    "Determinant": "16",
    "DeterminantGradient": "52: a field and the gradient read, 3 x 3 matrices written",
    "Divergence": "16",
    "DivergenceTransposed": "16",
    "Extract": "8 C",
    "Follow": "36",
    "FollowGradient": "84",
    "Gradient": "16 C",
    "GradientTransposed": "16 C",
    "InverseGradient": "48",
    "Middle": "24, only where no slab fits",
    "Newton": "28",
    "Residual": "12 + 12 C, with slopes 12 more",
    "RowsForward": "24 of 72",
    "RowsInverse": "24 of 72",
    "Splat": "12 + 8 C; in fixed point 12 C more at most",
    "SplatTangent": "24 + 8 C",
    "Symbol": "24 beside torch's transforms",
    "UpdateInverse": "36",
    "Warp": "12 + 8 C",
    "WarpBits": "12 + twice the image",
    "WarpGradient": "24 + 8 C",
    "WarpHessian": "36 + 8 C",
    "WarpLabels": "12 + twice the labels",
    "WarpTangent": "24 + 8 C",
}
