"""The public operators, gathered: what `import quicksilver_ext as qs` offers."""

from ._info import info
from ._metric import smooth_size
from .modules import GeodesicShooting
from .ops.adjoint import Ad_star
from .ops.fluid import FluidMetric, flat, sharp
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
