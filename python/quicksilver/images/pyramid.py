"""Images, momenta and metrics on coarser grids, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def coarser(field: Tensor, factor: int) -> Tensor:
    """Means over cubes of `factor` voxels; what is missing at the far faces counts as zero."""
    ends = [end for n in reversed(field.shape[2:]) for end in (0, -n % factor)]
    return F.avg_pool3d(F.pad(field, ends), factor) if factor > 1 else field


def coarser_momentum(momentum: Tensor, factor: int) -> Tensor:
    """A momentum (B, 3, X, Y, Z) in voxels of its grid, on a grid coarser by `factor`, in its voxels."""
    # A momentum in voxels of a grid with spacing h is h times the physical one.
    return coarser(momentum, factor) * factor


def finer_momentum(momentum: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """The reverse of `coarser_momentum`."""
    return finer(momentum, factor, shape) / factor


def finer(field: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Linear interpolation between the centres of the cubes of `coarser`, cropped to `shape`."""
    if factor == 1:
        return field
    fine = F.interpolate(field, scale_factor=factor, mode="trilinear", align_corners=False)
    return fine[..., : shape[0], : shape[1], : shape[2]].contiguous()
