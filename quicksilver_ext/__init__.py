"""Drop-in operators for diffeomorphic registration in PyTorch.

Fields are (B, C, *S) with S = (X, Y, Z) or (X, Y) in array order. A displacement u is in voxels, component c moves
along array axis c, and the map is id + u: ``warp(I, u)(x) = I(x + u(x))``. Every operator works on float32 and float64,
on the CPU and on CUDA, and is differentiable.
"""

from ._info import info
from ._version import __version__
from .modules import GeodesicShooting
from .ops.adjoint import Ad_star
from .ops.fluid import FluidMetric, flat, sharp, smooth_size
from .ops.geodesic import shoot
from .ops.invert import invert
from .ops.jacobian import jacobian_determinant
from .ops.patches import average_patches, extract_patches, patch_corners
from .ops.splat import splat
from .ops.warp import compose, warp

__all__ = [
    "Ad_star",
    "FluidMetric",
    "GeodesicShooting",
    "__version__",
    "average_patches",
    "compose",
    "extract_patches",
    "flat",
    "info",
    "invert",
    "jacobian_determinant",
    "patch_corners",
    "sharp",
    "shoot",
    "smooth_size",
    "splat",
    "warp",
]
