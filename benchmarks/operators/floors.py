"""The fewest bytes that each operator must move, which bound it on a GPU and on many cores.

In float32, counting every field read and written once; gathers hit the cache, since neighbours read
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

FIELD = 4

# Fields read or written, of D axes and C channels (of the image).
FIELDS: dict[str, Callable[[int, int], float]] = {
    "copy": lambda D, C: 2 * C,
    "warp": lambda D, C: D + 2 * C,
    "warp backward": lambda D, C: 3 * D + 4 * C,  # a splat, and the gradient of the gather
    "warp_labels": lambda D, C: D + 2,
    "splat": lambda D, C: D + 2 * C,
    "splat_count": lambda D, C: D + 1,
    "compose": lambda D, C: 3 * D,
    "exponential": lambda D, C: (2 + 7 * 3) * D,  # seven squarings
    "invert": lambda D, C: 2 * D + 1,
    "jacobian": lambda D, C: D + D * D,
    "jacobian_determinant": lambda D, C: D + 1,
    "smallest_determinant": lambda D, C: D + 1,
    "Ad": lambda D, C: 3 * D,
    "Ad_star": lambda D, C: 3 * D,
    "ad": lambda D, C: 3 * D,
    "ad_star": lambda D, C: 3 * D,
    "sharp": lambda D, C: 6 * D,  # three kernels: slabs there, columns with the symbol, slabs back
    "flat": lambda D, C: 6 * D,
    # By step a smoothing, Ad*, the mean of two velocities, foot and composition in one, and phi.
    "shoot": lambda D, C: (6 + 3 + 3 + 3 + 3) * D,
    "shoot padded": lambda D, C: (6 + 3 + 3 + 3 + 3) * D,
    "shoot padded linear": lambda D, C: (6 + 3 + 3 + 3 + 3) * D,
    # By step backward a smoothing; the gradients of Ad*, of foot and composition and of phi; the
    # states once more.
    "shoot backward": lambda D, C: (6 + 9 + 8 + 7 + 18) * D,
    "resize": lambda D, C: C * (1 + 0.5**D),
    "resize_displacement": lambda D, C: D * (1 + 0.5**D),
    "affine": lambda D, C: 2 * D,
    "gradient": lambda D, C: C + C * D,
    "divergence": lambda D, C: D + 1,
    "ssd": lambda D, C: D + 2 * C,
    "box_mean": lambda D, C: 2 * C,
    "lncc": lambda D, C: D + 2 * C,
    "extract_patches": lambda D, C: 2 * C,
    "average_patches": lambda D, C: 2 * C,
    "predict": lambda D, C: 2 * C + 2 * D,  # images to maps: bound by the networks' arithmetic
}


def floor_bytes(operator: str, voxels: int, dims: int, channels: int, steps: int) -> float:
    """Count the bytes of one call on so many voxels, those of a batch included."""
    times = steps if operator.startswith("shoot") else 1
    return FIELD * voxels * times * FIELDS[operator](dims, channels)


# What each kernel moves, as counted in its source: per voxel of what it runs over, C channels, D
# components.
COUNTED = {
    "Add": "8 C",
    "AdStar": "36",
    "AdStarGradient": "108: three fields read, two and the 3 x 3 matrices written",
    "Advance": "44",
    "AdvanceGradient": "104",
    "BoxMean": "8",
    "Bracket": "36",
    "BracketTransposed": "36",
    "Columns": "24 of 72 (three kernels), in place",
    "Determinant": "16",
    "DeterminantGradient": "52: a field and the gradient read, 3 x 3 matrices written",
    "Divergence": "16",
    "DivergenceTransposed": "16",
    "Extract": "8 C",
    "Follow": "40",
    "FollowGradient": "88",
    "Gradient": "16 C",
    "GradientTransposed": "16 C",
    "Interleave": "40, 28 of one field",
    "InverseGradient": "48",
    "Middle": "24, only where no slab fits",
    "Newton": "28",
    "Residual": "12 + 12 C, with slopes 12 more",
    "RowsForward": "24 of 72",
    "RowsInverse": "24 of 72",
    "SmallestDeterminant": "16",
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
