"""Read images from files, nibabel images and arrays; write NIfTI files."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.io import nifti


def read_image(path: str | os.PathLike[str], labels: bool = False) -> Image:
    """Read a NIfTI volume of any orientation; a fourth axis of length one is dropped.

    Args:
        path: The file.
        labels: Whether to read integer labels instead of float32 intensities.

    Raises:
        QuicksilverError: The file is missing, not a NIfTI, or holds no usable volume: not 3-D, not
            finite, all zero, or fractions for labels.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/ones.nii.gz", np.ones((4, 5, 6), np.uint8), np.eye(4))
        ...     image = read_image(f"{folder}/ones.nii.gz")
        >>> image.data.dtype, image.grid.shape
        (dtype('float32'), (4, 5, 6))
    """
    return take_single(*read_series(path, labels), f"{path}")


def read_series(path: str | os.PathLike[str], labels: bool = False) -> tuple[np.ndarray, Grid]:
    """Read a NIfTI volume or a series of them as `read_image` does: an array (X, Y, Z, T) and its
    grid.
    """
    return check_volumes(*nifti.load(path), f"{path}", labels)


def take_single(volumes: np.ndarray, grid: Grid, name: str) -> Image:
    """Return the one volume of a series called `name`.

    Raises:
        QuicksilverError: There are several.
    """
    if volumes.shape[3] > 1:
        raise QuicksilverError(
            f"expected a 3-D image in {name}, found {volumes.shape[3]} volumes; give one volume"
        )
    return Image(volumes[..., 0], grid.affine)


def check_volumes(
    stored: np.ndarray, affine: np.ndarray, name: str, labels: bool = False
) -> tuple[np.ndarray, Grid]:
    """Check an array of one or several volumes, and return them as `read_series` does.

    Args:
        stored: (X, Y, Z) or (X, Y, Z, T).
        affine: (4, 4), from array index to RAS millimetres.
        name: What errors call it.
        labels: Whether integer labels are wanted instead of float32 intensities.
    """
    volumes = stored[..., None] if stored.ndim == 3 else stored
    if volumes.ndim != 4 or min(volumes.shape[:3]) < 2 or not volumes.shape[3]:
        raise QuicksilverError(
            f"expected a 3-D image in {name}, found the shape {stored.shape}; give one volume"
        )
    with np.errstate(over="ignore"):  # reported as infinity below
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
    """Read the grid of a NIfTI volume or series from its header alone.

    Raises:
        QuicksilverError: The file is missing or not a 3-D NIfTI.
    """
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
    with np.errstate(invalid="ignore"):  # NaN is not an integer
        whole: np.ndarray = np.rint(volume).astype(np.int32)
    if not np.array_equal(whole, volume):
        raise QuicksilverError(
            f"expected integer labels in {name}, found fractions; give a label map"
        )
    return whole


write_image = nifti.save


ImageLike: TypeAlias = str | os.PathLike[str] | Image | tuple[Any, Any] | Any
"""A path, an `Image`, a nibabel image, or a pair of a volume (X, Y, Z), as NumPy or torch have it,
and its affine (4, 4) to RAS millimetres."""


def as_image(source: ImageLike, labels: bool = False) -> Image:
    """Make an `Image` of a file, a nibabel image, or an array and its affine.

    Args:
        source: The image.
        labels: Whether integer labels are wanted instead of float32 intensities.

    Raises:
        QuicksilverError: As `read_image`, and for anything that is no image.

    Example:
        >>> as_image((np.ones((4, 5, 6)), np.eye(4))).grid.shape
        (4, 5, 6)
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source, labels)
    if isinstance(source, Image):
        volume, affine = source.data, source.affine
    elif isinstance(source, nib.spatialimages.SpatialImage):
        volume, affine = np.asanyarray(source.dataobj), source.affine
    elif isinstance(source, tuple) and len(source) == 2:
        volume, affine = (_as_array(part) for part in source)
    else:
        raise QuicksilverError(
            "expected a path, a nibabel image, or an array and its affine, found "
            f"{type(source).__name__}; give one of these"
        )
    name = "the image"
    return take_single(*check_volumes(*nifti.check_array(volume, affine, name), name, labels), name)


def _as_array(part: Any) -> np.ndarray:
    return part.detach().cpu().numpy() if isinstance(part, Tensor) else np.asarray(part)
