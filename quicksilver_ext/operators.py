"""The public operators, gathered: what `import quicksilver_ext as qs` offers."""

from ._info import info
from ._metric import smooth_size
from .conventions import from_grid_sample, from_icon, to_grid_sample, to_icon
from .modules import GeodesicShooting, SpatialTransformer, VectorIntegration, Warp
from .ops.adjoint import Ad, Ad_star
from .ops.affine import affine, resize, resize_displacement
from .ops.bracket import ad, ad_star
from .ops.exponential import exponential
from .ops.fluid import FluidMetric, flat, sharp
from .ops.geodesic.range_check import OutOfGridWarning
from .ops.geodesic.shoot import shoot
from .ops.gradient import divergence, gradient
from .ops.invert import invert
from .ops.jacobian import jacobian, jacobian_determinant, smallest_determinant
from .ops.labels import warp_labels
from .ops.patches import average_patches, extract_patches, patch_corners
from .ops.similarity import box_mean, lncc, ssd
from .ops.splat import splat, splat_count
from .ops.warp import compose, warp

__all__ = [
    "Ad",
    "Ad_star",
    "FluidMetric",
    "GeodesicShooting",
    "OutOfGridWarning",
    "SpatialTransformer",
    "VectorIntegration",
    "Warp",
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
    "from_grid_sample",
    "from_icon",
    "gradient",
    "info",
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
    "to_grid_sample",
    "to_icon",
    "warp",
    "warp_labels",
]
