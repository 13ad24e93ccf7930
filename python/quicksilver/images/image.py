"""Images and the grids their voxels lie on.

World coordinates are RAS millimetres, as in nibabel; a voxel is named by its array index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quicksilver.errors import QuicksilverError


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an array lie.

    shape: voxels along each array axis. affine: (4, 4), array index to RAS millimetres.

    >>> Grid((10, 20, 30), np.diag([1.0, 2.0, 2.0, 1.0])).spacing
    array([1., 2., 2.])
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres between neighbours along each array axis."""
        spacing: np.ndarray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return spacing

    def matches(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both grids have the same voxels, to `tolerance` millimetres."""
        return self.shape == other.shape and np.allclose(self.affine, other.affine, atol=tolerance)


@dataclass(frozen=True)
class Image:
    """A volume and where it lies: data (X, Y, Z), float32 or integer; affine to RAS millimetres."""

    data: np.ndarray
    affine: np.ndarray

    @property
    def grid(self) -> Grid:
        """The grid of the image's voxels."""
        x, y, z = self.data.shape
        return Grid((x, y, z), self.affine)

    def moved(self, matrix: np.ndarray) -> Image:
        """The same image in a world from which `matrix` (4, 4) leads to this one."""
        return Image(self.data, np.linalg.inv(matrix) @ self.affine)


def brain_box(moving: Image, target: Image) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest world coordinates (RAS mm) of the non-zero voxels of both images.

    Raises QuicksilverError where the two images do not overlap.
    """
    first, second = _extent(moving), _extent(target)
    low, high = np.maximum(first[0], second[0]), np.minimum(first[1], second[1])
    if (low > high).any():
        raise QuicksilverError(
            "expected two images that overlap in world coordinates, found the moving image in "
            f"{_spell(first)} and the target in {_spell(second)} (RAS mm); align them first"
        )
    return np.minimum(first[0], second[0]), np.maximum(first[1], second[1])


def _extent(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest world coordinates of the non-zero voxels of one image."""
    inside = image.data != 0
    # A linear function is extreme at the first or the last voxel of some line of the last axis.
    lines = np.argwhere(inside.any(axis=2))
    rows = inside[lines[:, 0], lines[:, 1]]
    first, last = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    voxels = np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])
    world = voxels @ image.affine[:3, :3].T + image.affine[:3, 3]
    return world.min(axis=0), world.max(axis=0)


def longest_side(image: Image) -> float:
    """Of the box around the non-zero voxels, along the axes R, A and S, in mm."""
    low, high = _extent(image)
    return float((high - low).max())


def _spell(extent: tuple[np.ndarray, np.ndarray]) -> str:
    return " x ".join(f"[{a:.0f}, {b:.0f}]" for a, b in zip(*extent, strict=True))
