"""Images and the grids their voxels lie on.

World coordinates are RAS millimetres, as in nibabel; a voxel is named by its array index. A slice
stands as a volume (X, Y, 1) in the plane of R and A (`quicksilver.images.plane`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from quicksilver.errors import QuicksilverError

BRAIN = 170.0
"""Length of an adult's brain in mm."""


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an array lie.

    Args:
        shape: Voxels along each array axis.
        affine: (4, 4), from array index to RAS millimetres.

    Example:
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

    @property
    def planar(self) -> bool:
        """Whether it is that of a slice."""
        return self.shape[2] == 1

    @property
    def dims(self) -> int:
        """Number of dimensions: 2 of a slice, else 3."""
        return 2 if self.planar else 3

    @property
    def scale(self) -> float:
        """What a length that is meant for brains, in mm, is multiplied by: 1 of volumes. Slices may
        be of anything, under a microscope too: their longest side counts as a brain's.
        """
        return float((self.spacing * self.shape)[:2].max() / BRAIN) if self.planar else 1.0

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm3; of a slice, its area in mm2."""
        return float(abs(np.linalg.det(self.affine[: self.dims, : self.dims])))

    def positions(self) -> np.ndarray:
        """Return where the voxels are, (X, Y, Z, 3) in RAS millimetres."""
        index = np.moveaxis(np.indices(self.shape), 0, -1)
        positions: np.ndarray = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return positions

    def matches(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both grids have the same voxels, to `tolerance` millimetres."""
        return self.shape == other.shape and np.allclose(self.affine, other.affine, atol=tolerance)


@dataclass(frozen=True)
class Image:
    """A volume and where it lies.

    Args:
        data: (X, Y, Z), float32 or integer; of a slice (X, Y, 1).
        affine: (4, 4), from array index to RAS millimetres.
        header: nibabel's header of the NIfTI file it was read from; None: it was not.
        white: Of a picture on white paper, which is matched inverted: the paper's value, from which
            the picture's intensities were subtracted to make `data`; 0: they were not.
    """

    data: np.ndarray
    affine: np.ndarray
    header: Any = field(default=None, repr=False, compare=False)
    white: float = 0.0

    @property
    def grid(self) -> Grid:
        """The grid of the image's voxels."""
        x, y, z = self.data.shape
        return Grid((x, y, z), self.affine)

    def crop(self, box: tuple[slice, slice, slice]) -> Image:
        """Return the part of the image in a box of voxels."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
        return replace(self, data=np.ascontiguousarray(self.data[box]), affine=affine)

    def reframe(self, matrix: np.ndarray) -> Image:
        """Return the same voxels in a world from which `matrix` (4, 4) leads to this one."""
        return replace(self, affine=np.linalg.inv(matrix) @ self.affine)


def find_box(image: Image, margin: float) -> tuple[slice, slice, slice]:
    """Find the voxels around all that is not zero.

    Args:
        image: The image.
        margin: Millimetres on each side, as far as the image goes.

    Example:
        >>> dot = np.zeros((9, 9, 9), np.float32)
        >>> dot[4, 4, 1] = 1
        >>> find_box(Image(dot, np.diag([1.0, 2, 2, 1])), 2.0)
        (slice(2, 7, None), slice(3, 6, None), slice(0, 3, None))
    """
    inside = image.data != 0
    sides = []
    for axis, spacing in enumerate(image.grid.spacing):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(inside.any(axis=others))
        more = int(np.ceil(margin / spacing))
        sides.append(slice(max(int(places[0]) - more, 0), int(places[-1]) + more + 1))
    x, y, z = (slice(s.start, min(s.stop, n)) for s, n in zip(sides, inside.shape, strict=True))
    return x, y, z


def find_brain_box(moving: Image, target: Image) -> tuple[np.ndarray, np.ndarray]:
    """Find the lowest and highest world coordinates of the non-zero voxels of two images.

    Returns:
        Two arrays (3,), RAS millimetres.

    Raises:
        QuicksilverError: The images do not overlap.
    """
    first, second = _measure_extent(moving), _measure_extent(target)
    low, high = np.maximum(first[0], second[0]), np.minimum(first[1], second[1])
    if (low > high).any():
        raise QuicksilverError(
            "expected two images that overlap in world coordinates, found the moving image in "
            f"{_spell(first)} and the target in {_spell(second)} (RAS mm); align them first"
        )
    return np.minimum(first[0], second[0]), np.maximum(first[1], second[1])


def _measure_extent(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest world coordinates of the non-zero voxels of one image."""
    inside = image.data != 0
    # A linear function has its extremes at the first or last voxel of a line of the last axis.
    lines = np.argwhere(inside.any(axis=2))
    rows = inside[lines[:, 0], lines[:, 1]]
    first, last = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    voxels = np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])
    world = voxels @ image.affine[:3, :3].T + image.affine[:3, 3]
    return world.min(axis=0), world.max(axis=0)


def measure_longest_side(image: Image) -> float:
    """Measure the longest side, in mm, of the box around the non-zero voxels along R, A and S."""
    low, high = _measure_extent(image)
    return float((high - low).max())


def _spell(extent: tuple[np.ndarray, np.ndarray]) -> str:
    return " x ".join(f"[{a:.0f}, {b:.0f}]" for a, b in zip(*extent, strict=True))
