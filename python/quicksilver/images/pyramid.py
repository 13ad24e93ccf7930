"""Downsample and upsample images and momenta, (B, C, X, Y, Z) or (B, C, X, Y).

An axis of one voxel, as of a slice that stands as (X, Y, 1), stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def downsample(field: Tensor, factor: int) -> Tensor:
    """Average a field over cubes of `factor` voxels.

    Beyond the far faces the field is zero, so that the last cubes are complete.
    """
    if factor == 1:
        return field
    edges = [factor if n > 1 else 1 for n in field.shape[2:]]
    sizes = zip(reversed(field.shape[2:]), reversed(edges), strict=True)
    pool = F.avg_pool2d if len(edges) == 2 else F.avg_pool3d
    return pool(F.pad(field, [end for n, edge in sizes for end in (0, -n % edge)]), edges)


def downsample_momentum(momentum: Tensor, factor: int) -> Tensor:
    """Bring a momentum to a grid coarser by `factor`, in voxels of that grid."""
    # A momentum in voxels of a grid with spacing h is h times the physical one.
    return downsample(momentum, factor) * factor


def upsample_momentum(momentum: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Bring a momentum from a grid coarser by `factor` back to a grid of `shape`, in its voxels."""
    return upsample(momentum, factor, shape) / factor


def upsample(field: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Interpolate linearly between the centres of the cubes of `downsample`; crop to `shape`."""
    if factor == 1:
        return field
    mode = "trilinear" if len(shape) == 3 else "bilinear"
    fine = F.interpolate(field, scale_factor=factor, mode=mode, align_corners=False)
    for axis, size in enumerate(shape, start=2):
        fine = fine.narrow(axis, 0, size)
    return fine.contiguous()
