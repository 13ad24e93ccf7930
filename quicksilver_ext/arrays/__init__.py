"""The gather and pointwise operators and the fluid metric on NumPy and CuPy arrays, without torch.

``import quicksilver_ext.arrays as qa`` does not import torch. Conventions, options and formulas are
those of the operators of the same names in `quicksilver_ext`; there are no gradients and no
broadcasting. Arrays are (B, C, *S) with S = (X, Y, Z) or (X, Y), float32 or float64, all of one
kind: NumPy arrays are processed by CPU threads (as many as OMP_NUM_THREADS says, or all that the
process may use), CuPy arrays on their device, on CuPy's current stream. Results are new arrays of
the same kind. Arrays that are not C-contiguous are copied first.

Example:
    >>> import numpy as np
    >>> import quicksilver_ext.arrays as qa
    >>> image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    >>> down = np.broadcast_to(np.float32([1, 0]).reshape(1, 2, 1, 1), (1, 2, 2, 2))
    >>> qa.warp(image, down)[0, 0].tolist()
    [[2.0, 3.0], [2.0, 3.0]]
"""

from .metric import FluidMetric
from .operators import (
    Ad_star,
    ad,
    ad_star,
    compose,
    divergence,
    gradient,
    invert,
    jacobian,
    jacobian_determinant,
    splat,
    warp,
    warp_labels,
)

__all__ = [
    "Ad_star",
    "FluidMetric",
    "ad",
    "ad_star",
    "compose",
    "divergence",
    "gradient",
    "invert",
    "jacobian",
    "jacobian_determinant",
    "splat",
    "warp",
    "warp_labels",
]
