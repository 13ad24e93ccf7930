"""Plain-torch twins of the compiled operators: slow, readable, and the oracle of the tests.

Every function has the name, the arguments and the conventions of its compiled counterpart (only
`sharp` and `flat` take the metric as an argument instead of being its methods) and calls nothing of
the compiled core. Everything is built from differentiable torch functions, so autograd of this
module is the oracle of the hand-written gradients too.

Fields are (B, C, *S) with S = (X, Y, Z) or (X, Y), float32 or float64, on any device. A
displacement u is in voxels, component c along array axis c, and stands for the map id + u.

    >>> import torch
    >>> from quicksilver_ext import reference
    >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> reference.warp(image, torch.full((1, 2, 2, 2), 0.5))[0, 0, 0, 0].item()
    1.5
"""

from .adjoint import Ad, Ad_star, ad, ad_star
from .affine import affine, resize, resize_displacement
from .fluid import flat, sharp, smooth_size
from .geodesic import shoot
from .invert import invert
from .jacobian import (
    divergence,
    gradient,
    jacobian,
    jacobian_determinant,
    smallest_determinant,
)
from .patches import average_patches, extract_patches, patch_corners
from .similarity import box_mean, lncc, ssd
from .warp import compose, exponential, splat, splat_count, warp, warp_labels

__all__ = [
    "Ad",
    "Ad_star",
    "ad",
    "ad_star",
    "affine",
    "average_patches",
    "box_mean",
    "compose",
    "divergence",
    "exponential",
    "extract_patches",
    "flat",
    "gradient",
    "invert",
    "jacobian",
    "jacobian_determinant",
    "lncc",
    "patch_corners",
    "resize",
    "resize_displacement",
    "sharp",
    "shoot",
    "smallest_determinant",
    "smooth_size",
    "splat",
    "splat_count",
    "ssd",
    "warp",
    "warp_labels",
]
