"""Patches of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def patch_corners(shape: Sequence[int], size: int, stride: int) -> Tensor:
    """First voxels (N, D), int64, of patches; the last of each axis is flush with the border."""
    lines = [torch.tensor(sorted({*range(0, n - size, stride), n - size})) for n in shape]
    return torch.cartesian_prod(*lines).reshape(-1, len(lines))


def _voxels(corner: Sequence[int], size: int) -> tuple[Any, ...]:
    return (corner[0], slice(None), *(slice(first, first + size) for first in corner[1:]))


def extract_patches(image: Tensor, corners: Tensor, size: int) -> Tensor:
    """Patches (N, C, size, ...) at corners (N, 1 + D): index in the batch, then first voxel."""
    return torch.stack([image[_voxels(corner, size)] for corner in corners.tolist()])


def average_patches(
    patches: Tensor, corners: Tensor, shape: Sequence[int], batch: int = 1
) -> Tensor:
    """Mean (batch, C, *shape) over the patches that cover a voxel; 0 where none does."""
    total = patches.new_zeros(batch, patches.shape[1], *shape)
    count = torch.zeros_like(total)
    for patch, corner in zip(patches, corners.tolist(), strict=True):
        voxels = _voxels(corner, patches.shape[-1])
        total[voxels] = total[voxels] + patch
        count[voxels] += 1
    return total / count.clamp(min=1)
