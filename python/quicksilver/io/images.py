"""Read images from files of any format, nibabel images and arrays; write NIfTI files."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.io import itk, nifti, pictures
from quicksilver.io.dicom import holds_series
from quicksilver.io.files import require_file
from quicksilver.io.headers import describe_disagreement
from quicksilver.io.voxels import check_volumes, make_grid, refuse_shape


@dataclass(frozen=True)
class Series:
    """A volume or a series of them, as it is read to be resampled.

    Args:
        volumes: (X, Y, Z, T).
        grid: Where the voxels lie.
        header: nibabel's header of a NIfTI file; None of others.
        kind: Type of the numbers in the file.
    """

    volumes: np.ndarray
    grid: Grid
    header: Any
    kind: np.dtype[Any]


def read_image(
    path: str | os.PathLike[str],
    labels: bool = False,
    *,
    outside: float = 0.0,
    empty: bool = False,
    planar: bool = False,
) -> Image:
    """Read a volume of any orientation; further axes of length one are dropped.

    Args:
        path: A file of NIfTI, FreeSurfer (.mgz, .mgh), Analyze (.hdr, .img), NRRD or MetaImage
            (.nrrd, .nhdr, .mha, .mhd), a picture (.png, .tif), or a folder with one series of
            DICOM.
        labels: Whether to read integer labels instead of float32 intensities.
        outside: Value of what was not imaged: of NaN that reaches the faces.
        empty: Whether there may be only zeros.
        planar: Whether it may be a slice (X, Y), (X, Y, 1) or a picture.

    Raises:
        QuicksilverError: The file is missing, in none of the formats, or holds no usable volume:
            not 3-D, not finite where it was imaged, all zero, or fractions for labels.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/ones.nii.gz", np.ones((4, 5, 6), np.uint8), np.eye(4))
        ...     image = read_image(f"{folder}/ones.nii.gz")
        >>> image.data.dtype, image.grid.shape
        (dtype('float32'), (4, 5, 6))
    """
    found = read_with_header(path, labels, outside=outside, empty=empty, planar=planar)
    return replace(take_single(found.volumes, found.grid, f"{path}"), header=found.header)


def read_series(path: str | os.PathLike[str], labels: bool = False) -> tuple[np.ndarray, Grid]:
    """Read a volume or a series of them as `read_image` does: an array (X, Y, Z, T) and its
    grid.
    """
    found = read_with_header(path, labels)
    return found.volumes, found.grid


def read_with_header(
    path: str | os.PathLike[str],
    labels: bool = False,
    *,
    outside: float = 0.0,
    empty: bool = False,
    planar: bool = False,
) -> Series:
    """Read a volume or a series of them, with the arguments of `read_image`."""
    stored = _choose_reader(path).read(path)
    volumes, grid = check_volumes(
        stored.array,
        stored.affine,
        f"{path}",
        labels,
        outside=outside,
        empty=empty,
        planar=planar,
    )
    return Series(volumes, grid, stored.header, stored.array.dtype)


def require_image(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file, or of a folder with a series of DICOM.

    Raises:
        QuicksilverError: There is neither.
    """
    return Path(path) if holds_series(path) else require_file(path, "an image")


def _choose_reader(path: str | os.PathLike[str]) -> ModuleType:
    """Return the module that reads an image of the format of a path."""
    return next((reader for reader in (pictures, itk) if reader.handles(path)), nifti)


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


def read_grid(path: str | os.PathLike[str], planar: bool = False) -> Grid:
    """Read the grid of a volume or series, or, if `planar`, of a slice, from its header alone.

    Raises:
        QuicksilverError: The file is missing or no such image.
    """
    shape, affine = _choose_reader(path).load_grid(path)
    grid = make_grid(shape, affine, planar)
    if grid is None:
        raise refuse_shape(shape, f"{path}", planar)
    return grid


write_image = nifti.save


def require_output(path: str | os.PathLike[str]) -> None:
    """Check that a file that `save` is to write ends as one.

    Raises:
        QuicksilverError: It does not.
    """
    if not pictures.handles(path):
        nifti.require_nifti_name(path)


def save(path: str | os.PathLike[str], volumes: np.ndarray, grid: Grid, source: Series) -> None:
    """Write what was resampled of a series, as NIfTI or, of slices, as a picture.

    Raises:
        QuicksilverError: The file cannot be written, or a picture cannot hold it.
    """
    if not pictures.handles(path):
        nifti.save(path, volumes, grid.affine, source=source.header)
    elif grid.planar and volumes.ndim == 3:
        pictures.save(path, volumes, grid, source.kind)
    else:
        raise QuicksilverError(f"expected one slice for {path}, found volumes; write .nii.gz")


ImageLike: TypeAlias = str | os.PathLike[str] | Image | tuple[Any, Any] | Any
"""A path, an `Image`, a nibabel image, or a pair of a volume (X, Y, Z), as NumPy or torch have it,
and its affine (4, 4) to RAS millimetres; where slices are registered also (X, Y)."""


def as_image(
    source: ImageLike,
    labels: bool = False,
    *,
    outside: float = 0.0,
    empty: bool = False,
    planar: bool = False,
) -> Image:
    """Make an `Image` of a file, a nibabel image, or an array and its affine.

    Args:
        source: The image.
        labels: Whether integer labels are wanted instead of float32 intensities.
        outside: Value of what was not imaged: of NaN that reaches the faces.
        empty: Whether there may be only zeros.
        planar: Whether it may be a slice (X, Y), (X, Y, 1) or a picture.

    Raises:
        QuicksilverError: As `read_image`, and for anything that is no image.

    Example:
        >>> as_image((np.ones((4, 5, 6)), np.eye(4))).grid.shape
        (4, 5, 6)
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source, labels, outside=outside, empty=empty, planar=planar)
    if isinstance(source, Image):
        volume, affine = source.data, source.affine
    elif isinstance(source, nib.spatialimages.SpatialImage):
        volume, affine = _as_array(source.dataobj), source.affine
    elif isinstance(source, tuple) and len(source) == 2:
        volume, affine = (_as_array(part) for part in source)
    else:
        raise QuicksilverError(
            "expected a path, a nibabel image, or an array and its affine, found "
            f"{type(source).__name__}; give one of these"
        )
    name = "the image"
    checked = nifti.check_array(volume, affine, name)
    volumes, grid = check_volumes(
        *checked, name, labels, outside=outside, empty=empty, planar=planar
    )
    header = getattr(source, "header", None)
    known = header if isinstance(header, nib.Nifti1Header) else None
    return replace(take_single(volumes, grid, name), header=known)


def as_grid(source: ImageLike, planar: bool = False) -> Grid:
    """Read the grid of an image, or, if `planar`, of a slice; of a file, from its header alone.

    Raises:
        QuicksilverError: As `as_image`.
    """
    if isinstance(source, str | os.PathLike):
        return read_grid(source, planar)
    return as_image(source, planar=planar).grid


def count_voxels(source: ImageLike) -> int:
    """Count the voxels of an image; of a file, by its header alone."""
    if isinstance(source, str | os.PathLike):
        return math.prod(_choose_reader(source).load_grid(source)[0])
    return math.prod(_get_shape(source))


def _get_shape(source: Any) -> tuple[int, ...]:
    """Return the shape of an image that is no file; nothing of what is no image."""
    data = source[0] if isinstance(source, tuple) and source else getattr(source, "data", source)
    return tuple(getattr(data, "shape", ()))


def is_slice(source: ImageLike) -> bool:
    """Tell whether an image is a slice, by its shape; of a file, by its header alone.

    Raises:
        QuicksilverError: A file is missing or no image.
    """
    if isinstance(source, str | os.PathLike):
        if holds_series(source):
            return False
        shape = _choose_reader(source).load_grid(source)[0]
    else:
        shape = _get_shape(source)
    return len(shape) == 2 or (len(shape) > 2 and shape[2] == 1)


def find_doubt(source: ImageLike) -> str | None:
    """Say what is doubtful about where an image lies by its header; None: nothing."""
    if isinstance(source, str | os.PathLike):
        return _choose_reader(source).find_doubt(source)
    return describe_disagreement(source) if isinstance(source, nib.Nifti1Pair) else None


def _as_array(part: Any) -> np.ndarray:
    """Make an array of what NumPy or torch can make one of."""
    try:
        if isinstance(part, Tensor):
            dense = part.detach().to_dense() if part.layout != torch.strided else part.detach()
            wide = dense.float() if dense.dtype == torch.bfloat16 else dense
            return wide.cpu().resolve_conj().numpy()
        return np.asarray(part)
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise QuicksilverError(
            f"expected numbers in the image or its affine, found {type(part).__name__} "
            f"('{error}'); give arrays"
        ) from error
