"""NIfTI files: an array and its affine, checked on the way in and atomic on the way out."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.files import replacing

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
)


def load(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """The array of a NIfTI file, its intensity scaling applied, and its affine to RAS millimetres.

    Raises QuicksilverError where the file is missing, is no NIfTI, is damaged, holds anything but
    one real number per entry, or has an affine without inverse.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder) / "ones.nii.gz", np.ones((4, 5, 6), np.float32), 2 * np.eye(4))
    ...     array, affine = load(Path(folder) / "ones.nii.gz")
    >>> array.shape, affine[0, 0]
    ((4, 5, 6), np.float64(2.0))
    """
    path = Path(path)
    if not path.exists():
        raise QuicksilverError(f"expected an image at {path}, found no such file; check the path")
    try:
        file = _open(path)
        array = np.asanyarray(file.dataobj)
    except UNREADABLE as error:
        raise QuicksilverError(
            f"expected a whole NIfTI image (.nii or .nii.gz) at {path}, found '{error}'; "
            "convert or export it again"
        ) from error
    return native(array, file.affine, f"{path}")


def native(array: np.ndarray, affine: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """An array as numpy computes fastest with it, and its affine; checked as `load` checks a file.

    name: what errors call it.
    """
    if array.dtype.kind not in "iuf":
        raise QuicksilverError(
            f"expected one real number per voxel in {name}, found {array.dtype}; "
            "convert it to a scalar image"
        )
    affine = np.asarray(affine, dtype=np.float64)
    if affine.shape != (4, 4) or _singular(affine):
        raise QuicksilverError(
            f"expected an invertible affine in {name}, found {affine[:3].round(4).tolist()}; "
            "repair its sform or qform"
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")), affine


def _open(path: Path) -> Any:
    file = nib.load(path)
    if not isinstance(file, nib.Nifti1Pair):
        raise ValueError(f"a file of type {type(file).__name__}")
    return file


def _singular(affine: np.ndarray) -> bool:
    """Whether the directions of the axes do not span space, whatever their lengths."""
    if not np.isfinite(affine).all():
        return True
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return not lengths.all() or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-4


def save(
    path: str | os.PathLike[str], array: np.ndarray, affine: np.ndarray, intent: str = "none"
) -> None:
    """Write an array as NIfTI, complete or not at all; its type is kept.

    affine: (4, 4), array index to RAS millimetres. intent: nibabel's name of a NIfTI intent.
    Raises QuicksilverError for another suffix than .nii or .nii.gz and for an unwritable place.
    An example is with `load`.
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
        nib.save(file, temporary)
