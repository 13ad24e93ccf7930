"""Conversions to and from other conventions for maps on voxel grids.

MONAI's ``Warp`` and VoxelMorph's ``SpatialTransformer`` take displacements as they are here: (B, D,
*S), in voxels, component c along array axis c, added to the voxel's index. They need no converter.
torch's ``grid_sample`` and ICON take positions in units of the image's size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import _args


def _index(displacement: Tensor) -> Tensor:
    """(1, D, *S): the indices of each voxel."""
    lines = [torch.arange(n, device=displacement.device) for n in displacement.shape[2:]]
    return torch.stack(torch.meshgrid(*lines, indexing="ij")).to(displacement.dtype)[None]


def _sizes(shape: Sequence[int], like: Tensor) -> Tensor:
    sizes = torch.tensor(tuple(shape), dtype=like.dtype, device=like.device)
    return sizes.reshape(-1, *[1] * len(shape))


def to_grid_sample(
    displacement: Tensor, shape: Sequence[int] | None = None, align_corners: bool = True
) -> Tensor:
    """The ``grid`` with which ``torch.nn.functional.grid_sample`` does what `warp` does with a
    displacement.

    Args:
        displacement: (B, D, *S) in voxels.
        shape: of the image that is sampled, by default S.
        align_corners: as grid_sample is called: -1 and 1 are the centres of the outermost voxels,
            or (False) their outer edges.

    Returns:
        (B, *S, D), where the last axis is the first of a position.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image, u = torch.rand(1, 1, 5, 6), torch.rand(1, 2, 5, 6)
        >>> grid = qs.to_grid_sample(u)
        >>> sampled = torch.nn.functional.grid_sample(image, grid, align_corners=True)
        >>> bool(torch.allclose(sampled, qs.warp(image, u, padding_mode="zeros"), atol=1e-6))
        True
    """
    _args.check_vectors("to_grid_sample", "displacement", displacement)
    sizes = _sizes(displacement.shape[2:] if shape is None else shape, displacement)
    position = _index(displacement) + displacement
    if align_corners:
        position = 2 * position / (sizes - 1) - 1
    else:
        position = (2 * position + 1) / sizes - 1
    return position.movedim(1, -1).flip(-1)


def from_grid_sample(
    grid: Tensor, shape: Sequence[int] | None = None, align_corners: bool = True
) -> Tensor:
    """The displacement with which `warp` does what ``grid_sample`` does with a grid.

    Args:
        grid: (B, *S, D), float32 or float64.
        shape, align_corners: as of `to_grid_sample`.

    Returns:
        (B, D, *S), in voxels.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> u = torch.rand(1, 3, 4, 5, 6)
        >>> bool(torch.allclose(qs.from_grid_sample(qs.to_grid_sample(u)), u, atol=1e-5))
        True
    """
    if not isinstance(grid, Tensor) or grid.ndim not in (4, 5):
        found = tuple(grid.shape) if isinstance(grid, Tensor) else type(grid).__name__
        raise ValueError(
            f"from_grid_sample: grid: expected (B, *S, D) with D = 2 or 3, found {found}; pass "
            "what grid_sample takes"
        )
    position = grid.flip(-1).movedim(-1, 1)
    _args.check_vectors("from_grid_sample", "grid", position)
    sizes = _sizes(position.shape[2:] if shape is None else shape, position)
    if align_corners:
        position = (position + 1) / 2 * (sizes - 1)
    else:
        position = ((position + 1) * sizes - 1) / 2
    return (position - _index(position)).contiguous()


def to_icon(displacement: Tensor) -> Tensor:
    """ICON's map: positions (B, D, *S), 0 and 1 at the centres of the first and last voxel of each
    axis.

    Args:
        displacement: (B, D, *S) in voxels, at least two samples along each axis.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> qs.to_icon(torch.zeros(1, 2, 3, 2))[0, 0, :, 0].tolist()
        [0.0, 0.5, 1.0]
    """
    _args.check_vectors("to_icon", "displacement", displacement)
    _args.check_samples("to_icon", "displacement", displacement.shape[2:], "linear")
    return (_index(displacement) + displacement) / (
        _sizes(displacement.shape[2:], displacement) - 1
    )


def from_icon(positions: Tensor) -> Tensor:
    """The displacement (B, D, *S), in voxels, of ICON's map: the inverse of `to_icon`.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> u = torch.rand(1, 2, 4, 5)
        >>> bool(torch.allclose(qs.from_icon(qs.to_icon(u)), u, atol=1e-6))
        True
    """
    _args.check_vectors("from_icon", "positions", positions)
    _args.check_samples("from_icon", "positions", positions.shape[2:], "linear")
    return positions * (_sizes(positions.shape[2:], positions) - 1) - _index(positions)
