"""Images: NIfTI files in and out, the working grid, resampling and intensity scaling.

World coordinates are RAS millimetres, as nibabel has them; a voxel of an image is an array index.
Everything right of this module works in voxels of one grid.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.filters import gaussian
from quicksilver.io import nifti

Intensity = Literal["percentile", "maximum"]
"""What `normalise` brings to 1: the 99th percentile of the non-zero voxels, or the maximum."""

INTENSITIES = get_args(Intensity)
MARGIN = 4
"""Voxels of the working grid around both brains; what the metric needs beyond, it adds itself."""

MAX_SIZE = 1024  # voxels along an axis of the working grid; more is a header with a wrong unit


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


def read_image(path: str | os.PathLike[str], labels: bool = False) -> Image:
    """Read a NIfTI volume, of any orientation, as float32 intensities or as integer labels.

    A fourth axis of length one is dropped. Raises QuicksilverError for a file that is missing, is
    not a NIfTI, or holds no usable volume: not 3-D, not finite, all zero, fractions for labels.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/ones.nii.gz", np.ones((4, 5, 6), np.uint8), np.eye(4))
    ...     image = read_image(f"{folder}/ones.nii.gz")
    >>> image.data.dtype, image.grid.shape
    (dtype('float32'), (4, 5, 6))
    """
    return single(*read_series(path, labels), f"{path}")


def read_series(path: str | os.PathLike[str], labels: bool = False) -> tuple[np.ndarray, Grid]:
    """Read a NIfTI volume, or a series of them, as `read_image` does: (X, Y, Z, T) and the grid."""
    return checked(*nifti.load(path), f"{path}", labels)


def single(volumes: np.ndarray, grid: Grid, name: str) -> Image:
    """The one volume of a series called `name`."""
    if volumes.shape[3] > 1:
        raise QuicksilverError(
            f"expected a 3-D image in {name}, found {volumes.shape[3]} volumes; give one volume"
        )
    return Image(volumes[..., 0], grid.affine)


def checked(
    stored: np.ndarray, affine: np.ndarray, name: str, labels: bool = False
) -> tuple[np.ndarray, Grid]:
    """An array of a volume or a series of them and its affine, as `read_series` gives a file's."""
    volumes = stored[..., None] if stored.ndim == 3 else stored
    if volumes.ndim != 4 or min(volumes.shape[:3]) < 2 or not volumes.shape[3]:
        raise QuicksilverError(
            f"expected a 3-D image in {name}, found the shape {stored.shape}; give one volume"
        )
    with np.errstate(over="ignore"):  # told of as infinity
        values = _as_labels(name, volumes) if labels else volumes.astype(np.float32)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise QuicksilverError(
            f"expected finite intensities in {name}, found {bad} voxels with NaN or infinity; "
            "replace them first"
        )
    if not values.any():
        raise QuicksilverError(
            f"expected an image with non-zero voxels in {name}, found only zeros; check the file"
        )
    x, y, z = volumes.shape[:3]
    return values, Grid((x, y, z), affine)


def read_grid(path: str | os.PathLike[str]) -> Grid:
    """The grid of a NIfTI volume or series, from its header alone."""
    shape, affine = nifti.load_grid(path)
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise QuicksilverError(
            f"expected a 3-D image in {path}, found the shape {shape}; give one volume"
        )
    x, y, z = shape[:3]
    return Grid((x, y, z), affine)


def _as_labels(name: str, volume: np.ndarray) -> np.ndarray:
    if volume.dtype.kind in "iu":
        return volume
    with np.errstate(invalid="ignore"):  # NaN is no integer either
        whole: np.ndarray = np.rint(volume).astype(np.int32)
    if not np.array_equal(whole, volume):
        raise QuicksilverError(
            f"expected integer labels in {name}, found fractions; give a label map"
        )
    return whole


write_image = nifti.save


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


def working_grid(
    moving: Image,
    target: Image,
    spacing: float,
    margin: int = MARGIN,
    frame: np.ndarray | None = None,
) -> Grid:
    """The grid on which two images are registered: `spacing` mm, around both brains.

    frame: (4, 4), an affine from the coordinates along whose axes the grid lies and in which its
    spacing is meant, to the images' world; None: the world's own, R, A and S. The box holds the
    non-zero voxels of both images with `margin` voxels on each side and is centred on them.
    Raises QuicksilverError where the images do not overlap or are too large for their spacing.

    >>> ball = Image(np.ones((20, 20, 20), np.float32), np.eye(4))
    >>> working_grid(ball, ball, spacing=2.0).shape
    (19, 19, 19)
    """
    frame = np.eye(4) if frame is None else frame
    low, high = brain_box(moving.moved(frame), target.moved(frame))
    counts = np.ceil((high - low) / spacing - 1e-6).astype(int) + 1 + 2 * margin
    if counts.max() > MAX_SIZE:
        raise QuicksilverError(
            f"expected brains that fit a grid of {MAX_SIZE} voxels along each axis, found "
            f"{counts.tolist()} at {spacing} mm; check the spacing and origin in the image headers"
        )
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = (low + high) / 2 - spacing * (counts - 1) / 2
    x, y, z = map(int, counts)
    return Grid((x, y, z), frame @ affine)


def affine_displacement(
    matrix: np.ndarray, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """The displacement (1, 3, X, Y, Z) that takes a voxel x of `shape` to ``matrix @ x``."""
    offset = matrix[:3] - np.eye(4)[:3]
    field = torch.empty((1, 3, *shape), dtype=torch.float32, device=device)
    for component, row in enumerate(offset):
        x, y, z = (
            torch.arange(size, dtype=torch.float64, device=device) * float(slope)
            for size, slope in zip(shape, row[:3], strict=True)
        )
        # Summed in doubles over two axes; over the third, where the voxels are, each is written once.
        plane = (x[:, None, None] + float(row[3])) + y[:, None]
        torch.add(plane.float(), z.float(), out=field[0, component])
    return field


def resample(
    image: Image,
    grid: Grid,
    mode: Literal["linear", "nearest"] = "linear",
    device: torch.device | str = "cpu",
) -> Tensor:
    """An image on another grid, (1, 1, X, Y, Z); zero outside of the image.

    "linear" gives float32 and smooths first along the axes where the grid is coarser than the
    image, so that the result looks like a scan of the grid's spacing; "nearest" keeps integers.

    >>> image = Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    >>> resample(image, Grid((3, 3, 3), np.diag([2.0, 2.0, 2.0, 1.0]))).shape
    torch.Size([1, 1, 3, 3, 3])
    """
    data = image.data.astype(np.float32, copy=False) if mode == "linear" else image.data
    source = torch.from_numpy(data)[None, None].to(device)
    if mode == "linear":
        source = _blurred(source, image.grid, grid)
    matrix = np.linalg.inv(image.affine) @ grid.affine
    displacement = affine_displacement(matrix, grid.shape, device)
    return qs.warp(source, displacement, mode=mode, padding_mode="zeros")


def _blurred(data: Tensor, own: Grid, grid: Grid) -> Tensor:
    """An image (1, 1, X, Y, Z) at the resolution of a grid coarser than its own; as it is where that
    is finer."""
    fine = own.spacing
    directions = own.affine[:3, :3] / fine
    coarse = np.linalg.norm(np.linalg.inv(grid.affine[:3, :3]) @ directions, axis=0) ** -1
    # A voxel of width h is a mean with variance h^2 / 12. The image's own voxels bring a^2 / 12 of
    # it, linear interpolation a^2 / 6 on average, the Gaussian the rest: 0.29 mm from 1 to 2 mm.
    # Power spectra of 1 mm brains so resampled are the nearest to those of the 2 mm training set.
    sigma = np.sqrt(np.maximum(coarse**2 - 3 * fine**2, 0) / 12) / fine
    return gaussian(data, sigma.tolist())


def normalise(data: Tensor, intensity: Intensity = "percentile") -> Tensor:
    """Intensities as the networks expect them: the chosen `intensity` of the image at 1.

    "percentile" is the 99th of the non-zero voxels; "maximum" is what the original Quicksilver's
    networks were trained with. The result, shaped and placed as `data`, is clipped to [0, 1.2];
    background stays 0. Raises QuicksilverError where the percentile or the maximum is not positive.

    >>> normalise(torch.tensor([0.0, 50.0, 100.0]))
    tensor([0.0000, 0.5025, 1.0050])
    >>> normalise(torch.tensor([0.0, 50.0, 100.0]), "maximum")
    tensor([0.0000, 0.5000, 1.0000])
    """
    # Not torch.quantile, which takes at most 16 million values.
    inside = data[data != 0].cpu().numpy()
    part = 99 if intensity == "percentile" else 100
    scale = float(np.percentile(inside, part)) if inside.size else 0.0
    if scale <= 0:
        raise QuicksilverError(
            f"expected positive intensities in the brain, found the {intensity} {scale:g}; "
            "shift the image so that its background is 0"
        )
    return (data / scale).clamp(0, 1.2)
