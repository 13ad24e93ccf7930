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

from .adjoint import Ad_star
from .fluid import flat, sharp, smooth_size
from .geodesic import shoot
from .invert import invert
from .jacobian import jacobian_determinant
from .patches import average_patches, extract_patches, patch_corners
from .warp import compose, splat, warp

__all__ = [
    "Ad_star",
    "average_patches",
    "compose",
    "extract_patches",
    "flat",
    "invert",
    "jacobian_determinant",
    "patch_corners",
    "sharp",
    "shoot",
    "smooth_size",
    "splat",
    "warp",
]
