"""Downsample and upsample images and momenta."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def downsample(field: Tensor, factor: int) -> Tensor:
    """Average a field (N, C, X, Y, Z) over cubes of `factor` voxels.

    Beyond the far faces the field is zero, so that the last cubes are complete.
    """
    ends = [end for n in reversed(field.shape[2:]) for end in (0, -n % factor)]
    return F.avg_pool3d(F.pad(field, ends), factor) if factor > 1 else field


def downsample_momentum(momentum: Tensor, factor: int) -> Tensor:
    """Bring a momentum (B, 3, X, Y, Z) to a grid coarser by `factor`, in voxels of that grid."""
    # A momentum in voxels of a grid with spacing h is h times the physical one.
    return downsample(momentum, factor) * factor


def upsample_momentum(momentum: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Bring a momentum from a grid coarser by `factor` back to a grid of `shape`, in its voxels."""
    return upsample(momentum, factor, shape) / factor


def upsample(field: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Interpolate linearly between the centres of the cubes of `downsample`; crop to `shape`."""
    if factor == 1:
        return field
    fine = F.interpolate(field, scale_factor=factor, mode="trilinear", align_corners=False)
    return fine[..., : shape[0], : shape[1], : shape[2]].contiguous()
