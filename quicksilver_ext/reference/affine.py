"""Affine maps and grids of other sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .warp import coordinate, warp


def affine(
    matrix: Tensor, shape: Sequence[int] | None = None, displacement: Tensor | None = None
) -> Tensor:
    """Displacement of x -> A (x + u(x)) + b, (B, D, *S), u being 0 where there is only a shape."""
    sizes = displacement.shape[2:] if displacement is not None else torch.Size(shape or ())
    lines = [coordinate(sizes, axis, matrix).expand(sizes) for axis in range(len(sizes))]
    x = torch.stack(lines)[None]
    moved = x if displacement is None else x + displacement
    result = torch.einsum("bca,ba...->bc...", matrix[..., :-1], moved) - x
    result = result + matrix[..., -1].reshape(*matrix.shape[:2], *[1] * len(sizes))
    return result.contiguous()


def resize(
    image: Tensor, shape: Sequence[int], mode: str = "linear", align_corners: bool = False
) -> Tensor:
    """The image on a grid of another size, borders or corners in place."""
    positions = []
    for axis, (n, m) in enumerate(zip(image.shape[2:], shape, strict=True)):
        y = coordinate(shape, axis, image)
        p = y * (n - 1) / (m - 1) if align_corners else (y + 0.5) * n / m - 0.5
        positions.append((p - y).expand(tuple(shape)))
    return warp(image, torch.stack(positions)[None], mode)


def resize_displacement(
    displacement: Tensor, shape: Sequence[int], mode: str = "linear", align_corners: bool = False
) -> Tensor:
    """`resize`, in the new voxels."""
    less = 1 if align_corners else 0
    resized = resize(displacement, shape, mode, align_corners)
    parts = [
        (m - less) / (n - less) * resized[:, axis]
        for axis, (n, m) in enumerate(zip(displacement.shape[2:], shape, strict=True))
    ]
    return torch.stack(parts, 1)
