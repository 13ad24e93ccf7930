"""The working grid of two images, and images resampled onto a grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.filters import blur_gaussian
from quicksilver.images.image import Grid, Image, find_brain_box

MARGIN = 4
"""Voxels of the working grid around both brains; the metric pads it further by itself."""


MAX_SIZE = 1024  # voxels along an axis of the working grid; more means a header with a wrong unit
MAX_SLICE = 16384  # likewise of slices


def make_working_grid(
    moving: Image,
    target: Image,
    spacing: float,
    margin: int = MARGIN,
    frame: np.ndarray | None = None,
) -> Grid:
    """Choose the grid on which two images are registered.

    The box holds the non-zero voxels of both images and is centred on them.

    Args:
        moving: One image.
        target: The other.
        spacing: Voxel size in millimetres of the frame.
        margin: Voxels on each side of the box.
        frame: (4, 4), an affine from the coordinates along whose axes the grid lies to the images'
            world; None: the world's own, R, A and S.

    Raises:
        QuicksilverError: The images do not overlap, or are too large for the spacing.

    Example:
        >>> ball = Image(np.ones((20, 20, 20), np.float32), np.eye(4))
        >>> make_working_grid(ball, ball, spacing=2.0).shape
        (19, 19, 19)
    """
    frame = np.eye(4) if frame is None else frame
    low, high = find_brain_box(moving.reframe(frame), target.reframe(frame))
    grid = surround(low, high, spacing, margin, target.grid.planar)
    return Grid(grid.shape, frame @ grid.affine)


def surround(
    low: np.ndarray, high: np.ndarray, spacing: float, margin: int, planar: bool = False
) -> Grid:
    """Choose the grid around a box in the world, centred on it, with axes along R, A and S.

    Args:
        low: The box's lowest coordinates (3,), mm.
        high: Its highest.
        spacing: Voxel size in mm.
        margin: Voxels on each side of the box.
        planar: Whether the box is a rectangle, of a slice.

    Raises:
        QuicksilverError: The box is too large for the spacing.
    """
    margins = np.array([margin, margin, 0 if planar else margin])
    counts = np.ceil((high - low) / spacing - 1e-6).astype(int) + 1 + 2 * margins
    most = MAX_SLICE if planar else MAX_SIZE
    if counts.max() > most:
        raise QuicksilverError(
            f"expected images that fit a grid of {most} voxels along each axis, found "
            f"{counts.tolist()} at {spacing} mm; check the spacing and origin in the image headers"
        )
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = (low + high) / 2 - spacing * (counts - 1) / 2
    x, y, z = map(int, counts)
    return Grid((x, y, z), affine)


def make_affine_displacement(
    matrix: np.ndarray, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """Return the displacement (1, 3, X, Y, Z) that takes a voxel x of `shape` to ``matrix @ x``."""
    offset = matrix[:3] - np.eye(4)[:3]
    field = torch.empty((1, 3, *shape), dtype=torch.float32, device=device)
    for component, row in enumerate(offset):
        x, y, z = (
            torch.arange(size, dtype=torch.float64, device=device) * float(slope)
            for size, slope in zip(shape, row[:3], strict=True)
        )
        # Add two axes in double precision; add the third while writing, once per voxel.
        plane = (x[:, None, None] + float(row[3])) + y[:, None]
        torch.add(plane.float(), z.float(), out=field[0, component])
    return field


def resample(
    image: Image,
    grid: Grid,
    mode: Literal["linear", "nearest"] = "linear",
    device: torch.device | str = "cpu",
) -> Tensor:
    """Resample an image onto another grid; it is zero outside.

    Args:
        image: The image.
        grid: The other grid.
        mode: "linear" gives float32 and smooths first along axes where the grid is coarser than the
            image, so that the result looks like a scan at the grid's spacing; "nearest" keeps
            integers.
        device: Device of the result.

    Returns:
        (1, 1, X, Y, Z).

    Example:
        >>> image = Image(np.ones((8, 8, 8), np.float32), np.eye(4))
        >>> resample(image, Grid((3, 3, 3), np.diag([2.0, 2.0, 2.0, 1.0]))).shape
        torch.Size([1, 1, 3, 3, 3])
    """
    if mode == "linear":
        source = blur_to_resolution(image, grid, device)
    else:
        source = torch.from_numpy(image.data)[None, None].to(device)
    matrix = np.linalg.inv(image.affine) @ grid.affine
    displacement = make_affine_displacement(matrix, grid.shape, device)
    return qs.warp(source, displacement, mode=mode, padding_mode="zeros")


def blur_to_resolution(image: Image, grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """Blur an image, on its own voxels, to the resolution of `grid` along the axes where that is
    coarser.

    Returns:
        (1, 1, X, Y, Z), float32.
    """
    data = torch.from_numpy(image.data.astype(np.float32, copy=False))[None, None].to(device)
    fine = image.grid.spacing
    directions = image.affine[:3, :3] / fine
    coarse = np.linalg.norm(np.linalg.inv(grid.affine[:3, :3]) @ directions, axis=0) ** -1
    # A voxel of width h is a mean with variance h^2 / 12. The image's own voxels bring a^2 / 12 of
    # it, linear interpolation a^2 / 6 on average, the Gaussian the rest: 0.29 mm from 1 to 2 mm.
    # Power spectra of 1 mm brains so resampled are the nearest to those of the 2 mm training set.
    sigma = np.sqrt(np.maximum(coarse**2 - 3 * fine**2, 0) / 12) / fine
    return blur_gaussian(data, sigma.tolist())
