"""Slices: two-dimensional images, which stand as volumes (X, Y, 1) in a plane of the world.

Maps of slices move nothing across the plane, so that what samples, composes and writes volumes does
so with slices. What is two-dimensional by nature, the metric, the geodesic and folds, takes fields
(B, 1, X, Y) and (B, 2, X, Y): `flatten` leads there, and `embed` back.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid

UPRIGHT = 0.5
"""Least determinant of the directions of a slice's axes within the plane of R and A for which they
lie there; those of others, coronal ones for instance, do not."""


def lay_flat(affine: np.ndarray) -> np.ndarray:
    """Lay a slice into the plane of R and A, as ITK does in two dimensions.

    Axes that lie there stay as they are. Of tilted slices the directions are turned into the plane;
    of slices across it, the first axis runs to the left and the second to the back.

    Args:
        affine: (4, 4), from array index to RAS millimetres.

    Returns:
        (4, 4); the third axis is upright and as long as the shorter of the others.

    Example:
        >>> coronal = np.array([[2.0, 0, 0, 5], [0, 0, 1, 6], [0, 3, 0, 7], [0, 0, 0, 1]])
        >>> lay_flat(coronal)[:2].tolist()
        [[-2.0, 0.0, 0.0, 5.0], [0.0, -3.0, 0.0, 6.0]]
    """
    spacing = np.linalg.norm(affine[:3, :2], axis=0)
    axes = affine[:2, :2]
    if not np.allclose(affine[2, :2], 0, atol=1e-4 * spacing.min()):
        directions = axes / spacing
        u, sizes, v = np.linalg.svd(directions)
        axes = (u @ v if sizes.prod() >= UPRIGHT else np.diag([-1.0, -1.0])) * spacing
    flat = np.eye(4)
    flat[:2, :2], flat[:2, 3], flat[2, 2] = axes, affine[:2, 3], spacing.min()
    return flat


def flatten(field: Tensor) -> Tensor:
    """Return a field (B, C, X, Y, 1) of a slice as (B, C, X, Y), vectors without what is across the
    plane; fields of volumes as they are.
    """
    if field.shape[-1] > 1 or field.dim() < 5:
        return field
    return field[:, : 2 if field.shape[1] == 3 else None, ..., 0].contiguous()


def embed(field: Tensor) -> Tensor:
    """Undo `flatten`."""
    if field.dim() == 5:
        return field
    across = torch.zeros_like(field[:, :1])
    whole = torch.cat([field, across], dim=1) if field.shape[1] == 2 else field
    return whole[..., None]


def is_flat(matrix: np.ndarray) -> bool:
    """Tell whether an affine (4, 4) moves the plane of slices within itself."""
    across = [*matrix[2], *matrix[:, 2]]
    return bool(np.allclose(across, [0, 0, 1, 0, 0, 0, 1, 0], atol=1e-6))


def require_alike(first: Grid, second: Grid, names: tuple[str, str]) -> None:
    """Check that both are slices, or both volumes.

    Raises:
        QuicksilverError: They are not.
    """
    if first.planar != second.planar:
        kinds = ("2-D", "3-D") if first.planar else ("3-D", "2-D")
        raise QuicksilverError(
            f"expected two images of as many dimensions, found {names[0]} in {kinds[0]} and "
            f"{names[1]} in {kinds[1]}; give two slices, or two volumes"
        )
