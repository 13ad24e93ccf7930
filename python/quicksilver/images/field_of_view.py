"""The part of a brain that an image shows: where a scan, a crop or zeros cut the brain off.

A brain that ends by itself has a small last plane; one that is cut off has a large one. Beyond a
cut the image says nothing: that is unknown, not background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Grid, Image
from quicksilver.images.resampling import blur_to_resolution, make_affine_displacement

LARGE = 0.15
"""Least area of a cut plane over that of the largest plane (docs/constants.md)."""

DEPTH = 8.0
"""Millimetres within which the area of a round end has grown in proportion to its depth."""

LEAST = 4
"""Least number of voxels that are missing beyond a cut; it is at least `DEPTH` thick too."""

FLAT = 0.35
"""Least part of a brain's surface along an axis that a tilted cut puts into one plane
(docs/constants.md)."""

FINE = 3.0  # mm: largest voxel in which a tilted cut is looked for, and spacing of the lines
WITHIN = np.maximum(32 * 0.85 ** np.arange(40), 1)
"""Distance from the plane, in voxels, at which a place counts half, by rounds of fitting it."""
TOLERANCE = 1e-3  # voxels


@dataclass(frozen=True)
class FieldOfView:
    """The region that an image shows: what lies on one side of some planes.

    planes: (N, 4), each the row that gives a point (R, A, S, 1) its distance, mm, positive inside.
    None where a brain ends by itself, so that all beyond is background.
    """

    planes: np.ndarray

    @classmethod
    def detect(cls, image: Image) -> FieldOfView:
        """Detect the field of view of an image whose background is 0, cropped or filled with zeros.

        Example:
        >>> x, y, z = np.indices((40, 40, 40)) - 20
        >>> ball = np.float32(x**2 + y**2 + z**2 < 19**2)
        >>> FieldOfView.detect(Image(ball[:, :, 12:], np.eye(4))).planes
        array([[0., 0., 1., 0.]])
        """
        inside = image.data != 0
        cuts = [
            _find_cut(inside, areas, image.grid, axis, end)
            for axis, areas in enumerate(_measure_areas(inside)[: image.grid.dims])
            for end in (False, True)
        ]
        planes = np.array([row for row in cuts if row is not None]).reshape(-1, 4)
        planes = planes @ np.linalg.inv(image.affine)
        return cls(planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True))

    @property
    def whole(self) -> bool:
        """Whether the brain is cut off nowhere."""
        return not len(self.planes)

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors (N, 3) across the cuts."""
        return self.planes[:, :3]

    def weigh(
        self, affine: np.ndarray, shape: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> Tensor:
        """Weigh voxels: 1 inside, falling to 0 within a voxel around a cut.

        Args:
            affine: (4, 4), from the grid's voxels to the image's world.
            shape: Of the grid.
            device: Device of the result.

        Returns:
            (1, 1, X, Y, Z).
        """
        result = torch.ones((1, 1, *shape), device=device)
        for row in self.planes @ affine:
            result *= (_measure_distance(row, shape, device) + 0.5).clamp(0, 1)
        return result

    def mask(self, grid: Grid, device: torch.device | str = "cpu") -> Tensor:
        """Find which voxels of a grid in the image's world are inside, (1, 1, X, Y, Z), bool."""
        result = torch.ones((1, 1, *grid.shape), dtype=torch.bool, device=device)
        for row in self.planes @ grid.affine:
            result &= _measure_distance(row, grid.shape, device) > -TOLERANCE
        return result

    def extend(self, image: Image, grid: Grid, device: torch.device | str = "cpu") -> Tensor:
        """Resample an image onto a grid, extended beyond its cuts by what it shows on them.

        Elsewhere the result, (1, 1, X, Y, Z), is that of `quicksilver.images.resampling.resample`.
        """
        into = np.linalg.inv(image.affine)
        place = make_affine_displacement(into @ grid.affine, grid.shape, device)
        for plane in self.planes:
            row = plane @ grid.affine
            voxel = float(np.linalg.norm(row[:3]))  # mm across the plane
            beyond = voxel * _measure_distance(row, grid.shape, device).clamp(max=0)
            for component, slope in enumerate((into[:3, :3] @ plane[:3]).tolist()):
                place[:, component] -= beyond * slope
        return qs.warp(blur_to_resolution(image, grid, device), place, padding_mode="zeros")


def _measure_distance(
    row: np.ndarray, shape: tuple[int, ...], device: torch.device | str
) -> Tensor:
    """Measure how far the voxels of a grid are from the plane where a row (4,) is 0, in voxels."""
    a, b, c, start = (row / np.linalg.norm(row[:3])).tolist()
    x, y, z = (torch.arange(size, device=device) for size in shape)
    return (a * x + start)[:, None, None] + (b * y)[:, None] + c * z


def _measure_areas(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the voxels of every plane across each axis."""
    columns, rows = np.count_nonzero(inside, axis=2), np.count_nonzero(inside, axis=0)
    return columns.sum(1), columns.sum(0), rows.sum(0)


def _find_cut(
    inside: np.ndarray, areas: np.ndarray, grid: Grid, axis: int, end: bool
) -> np.ndarray | None:
    """Find the plane that cuts off a brain at an end of an array axis, as a row (4,) of indices,
    positive inside; `areas` are those of the planes across that axis.
    """
    others = tuple(other for other in range(3) if other != axis)
    if grid.planar:  # the square of a round end's chord grows with the depth, as its area does
        areas = areas.astype(np.int64) ** 2
    first, *_, last = np.flatnonzero(areas)
    shown, sign = areas[first : last + 1], -1.0 if end else 1.0
    row = np.zeros(4)
    row[axis] = sign
    if _is_cut(shown[::-1] if end else shown, grid.spacing[axis] / grid.scale):
        row[3] = -sign * (last if end else first)
        return row
    if grid.planar:
        return None
    slopes = _find_tilted_cut(np.flip(inside, axis) if end else inside, grid.spacing, axis)
    if slopes is None:
        return None
    row[list(others)] = -slopes[:2]
    row[3] = (inside.shape[axis] - 1 if end else 0) - slopes[2]
    return row


def _is_cut(areas: np.ndarray, spacing: float) -> bool:
    """Tell whether a brain goes on beyond the first of its planes, by the areas of all of them;
    `spacing` is in mm of a brain.

    The area of a round end grows in proportion to its depth: from the first plane's, and that of
    one further in, follows how much of the brain is missing.
    """
    inner = min(max(round(DEPTH / spacing), 1), len(areas) // 2)
    ratio = areas[0] / max(areas[inner], 1)
    missing = np.inf if ratio >= 1 else inner * ratio / (1 - ratio)  # planes
    return bool(areas[0] >= LARGE * areas.max() and missing >= max(LEAST, DEPTH / spacing))


def _find_tilted_cut(inside: np.ndarray, spacing: np.ndarray, axis: int) -> np.ndarray | None:
    """Find the tilted plane in which a brain begins along an axis.

    Returns:
        (slope, slope, constant) of the index there as a function of the other two, a voxel within
        the brain; None where it does not begin in a plane.
    """
    if spacing[axis] > FINE:
        return None
    others = np.delete(spacing, axis)
    stride = np.maximum(1, (FINE / others).astype(int))
    columns = np.moveaxis(inside, axis, 0)[:, :: stride[0], :: stride[1]]
    places = np.argwhere(columns.any(axis=0))
    index = columns.argmax(axis=0)[places[:, 0], places[:, 1]].astype(float)
    design = np.column_stack([places * stride, np.ones(len(places))])
    weight = np.ones(len(places))
    for reach in WITHIN:
        root = np.sqrt(weight)[:, None]
        plane, *_ = np.linalg.lstsq(root * design, root[:, 0] * index, rcond=None)
        away = index - design @ plane
        # Beyond its cut a brain may begin further in, and counts the less there; never before it.
        weight = 1 / (np.maximum(away, 0) ** 2 + reach**2)
    steep = spacing[axis] * np.linalg.norm(plane[:2] / others)
    # Of a round end of n planes up to 8 / n lies within a voxel of a plane.
    flat = max(FLAT, 16 / np.count_nonzero(columns.any(axis=(1, 2))))
    if np.mean(np.abs(away) <= 1) < flat or steep > 1:
        return None
    plane[2] += 1
    return plane
