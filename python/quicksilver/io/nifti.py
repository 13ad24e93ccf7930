"""Read and write NIfTI files: an array and its affine, checked on the way in, atomic on the way
out.
"""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import replacing, require_file

LARGEST = 1 << 34  # bytes of voxels; more would not fit in memory with its copies
SMALL = 1 << 28  # bytes up to which any ratio that gzip can reach is accepted
GZIP_RATIO = 1100  # of zeros, the largest ratio that gzip reaches
LARGEST_RATIO = 500  # of large files: more is made to fill memory
FARTHEST = 1e6  # mm; of an origin, or of a voxel's neighbour

UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    OverflowError,
    ValueError,
    zlib.error,
    isal_zlib.error,  # type: ignore[assignment]
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
)


def load(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read the array of a NIfTI file, its intensity scaling applied, and its affine to RAS
    millimetres.

    Raises:
        QuicksilverError: The file is missing, not a NIfTI or damaged, holds anything but one real
            number per entry, or has an affine without inverse.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Path(folder) / "ones.nii.gz", np.ones((4, 5, 6), np.float32), 2 * np.eye(4))
        ...     array, affine = load(Path(folder) / "ones.nii.gz")
        >>> array.shape, affine[0, 0]
        ((4, 5, 6), np.float64(2.0))
    """
    path = require_file(path, "an image")
    try:
        file = _open(path)
        array = _read_voxels(path, file)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return check_array(array, file.affine, f"{path}")


def check_array(array: np.ndarray, affine: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Check an array and its affine, and return them in the machine's byte order.

    Args:
        array: One real number per entry.
        affine: (4, 4).
        name: What errors call it.
    """
    if array.dtype.kind not in "iuf":
        raise QuicksilverError(
            f"expected one real number per voxel in {name}, found {array.dtype}; "
            "convert it to a scalar image"
        )
    packed = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return packed, _check_affine(affine, name)


def load_grid(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], np.ndarray]:
    """Read the shape of a NIfTI file and its affine from the header alone."""
    path = require_file(path, "an image")
    try:
        file = _open(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return file.shape, _check_affine(file.affine, f"{path}")


def _read_voxels(path: Path, file: Any) -> np.ndarray:
    """Read the array of a file; igzip checks gzip's checksum, which nibabel alone does not."""
    if not (isinstance(file, nib.Nifti1Image) and path.name.endswith(".gz")):
        return np.asanyarray(file.dataobj)
    with igzip.open(path) as stream:
        holder = nib.FileHolder(fileobj=stream)
        return np.asanyarray(type(file).from_file_map({"image": holder}).dataobj)


def _unreadable(path: Path, error: Exception) -> QuicksilverError:
    return QuicksilverError(
        f"expected a whole NIfTI image (.nii or .nii.gz) at {path}, found "
        f"'{error or type(error).__name__}'; convert or export it again"
    )


def _open(path: Path) -> Any:
    """Open a file and read its header, once it is certain that the file can hold what the header
    says.
    """
    file = nib.load(path)
    if not isinstance(file, nib.Nifti1Pair):
        raise ValueError(f"a file of type {type(file).__name__}")
    if min(file.shape, default=0) < 1:
        raise ValueError(f"the shape {file.shape}")
    claimed = math.prod(map(int, file.shape)) * file.get_data_dtype().itemsize
    held = Path(file.file_map["image"].filename or path).stat().st_size
    ratio = LARGEST_RATIO if claimed > SMALL else GZIP_RATIO
    if claimed > LARGEST or claimed > ratio * held:
        raise ValueError(f"a header of {claimed} bytes of voxels over a file of {held} bytes")
    return file


def _check_affine(affine: np.ndarray, name: str) -> np.ndarray:
    affine = np.asarray(affine, dtype=np.float64)
    if affine.shape != (4, 4) or _is_singular(affine):
        raise QuicksilverError(
            f"expected an invertible affine in {name}, in mm, found "
            f"{affine[:3].round(4).tolist()}; repair its sform or qform"
        )
    return affine


def _is_singular(affine: np.ndarray) -> bool:
    """Tell whether the axes do not span space, or lengths or origin are those of no image."""
    if not np.abs(affine).max() < FARTHEST:  # so that NaN is, too
        return True
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return lengths.min() < 1 / FARTHEST or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-4


def save(
    path: str | os.PathLike[str], array: np.ndarray, affine: np.ndarray, intent: str = "none"
) -> None:
    """Write an array as NIfTI, complete or not at all; its type is kept. An example is with `load`.

    Args:
        path: Ends in .nii or .nii.gz.
        array: The voxels.
        affine: (4, 4), from array index to RAS millimetres.
        intent: nibabel's name of a NIfTI intent.

    Raises:
        QuicksilverError: The suffix is another, or the file cannot be written.
    """
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise QuicksilverError(
            f"expected an output ending in .nii or .nii.gz, found {path}; rename it"
        )
    file = nib.Nifti1Image(array, affine, dtype=array.dtype)
    file.header.set_intent(intent)
    file.header.set_xyzt_units("mm")
    with replacing(path) as temporary:
        if path.suffix == ".gz":
            # As small as by zlib, in a tenth of its time; no time of day, so that equal results are
            # equal files.
            with temporary.open("wb") as raw, igzip.IGzipFile("", "wb", 1, raw, 0) as stream:
                file.to_stream(stream)
        else:
            nib.save(file, temporary)
