"""Images, momenta and metrics on coarser grids, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def coarser(field: Tensor, factor: int) -> Tensor:
    """Means over cubes of `factor` voxels; what is missing at the far faces counts as zero."""
    ends = [end for n in reversed(field.shape[2:]) for end in (0, -n % factor)]
    return F.avg_pool3d(F.pad(field, ends), factor) if factor > 1 else field


def finer(field: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Linear interpolation between the centres of the cubes of `coarser`, cropped to `shape`."""
    if factor == 1:
        return field
    fine = F.interpolate(field, scale_factor=factor, mode="trilinear", align_corners=False)
    return fine[..., : shape[0], : shape[1], : shape[2]].contiguous()
