"""Read files of NIfTI, FreeSurfer and Analyze, and write NIfTI: an array and its affine, checked on
the way in, atomic on the way out.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from isal import igzip

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import replacing, require_file
from quicksilver.io.headers import (
    choose_affine,
    describe_disagreement,
    is_affine,
    is_singular,
    keep_entries,
)
from quicksilver.runtime.devices import require_memory

LARGEST = 1 << 34  # bytes of voxels; more would not fit in memory with its copies
SMALL = 1 << 31  # bytes up to which any ratio that gzip can reach is accepted: sparse masks
GZIP_RATIO = 1100  # of zeros, the largest ratio that gzip reaches
LARGEST_RATIO = 500  # of large files: more is made to fill memory
COPIES = 6  # bytes per voxel for the float32 intensities and the checks of an array that was read
LARGEST_MATRIX = 1 << 16  # bytes of the .mat file beside an image of SPM, which nibabel unpacks
KINDS = (nib.AnalyzeImage, nib.MGHImage)
"""Images that are read; those of NIfTI are of the first kind, too."""

NO_ORIENTATION = (
    "its Analyze header does not tell left from right: voxels are taken to run from the subject's "
    "right to the left"
)


@dataclass(frozen=True)
class Stored:
    """What the file of an image holds.

    Args:
        array: Its numbers, the intensity scaling applied.
        affine: (4, 4), from array index to RAS millimetres.
        header: nibabel's header of a NIfTI file; None of others.
    """

    array: np.ndarray
    affine: np.ndarray
    header: Any


def load(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read the array of a file, its intensity scaling applied, and its affine to RAS millimetres.

    Raises:
        QuicksilverError: As `read`.
    """
    stored = read(path)
    return stored.array, stored.affine


def read(path: str | os.PathLike[str]) -> Stored:
    """Read a file of NIfTI, FreeSurfer or Analyze, once it is certain that there is memory for it.

    Raises:
        QuicksilverError: The file is missing, of another format or damaged, holds anything but one
            real number per entry, has an affine without inverse, or needs more memory than is free.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Path(folder) / "ones.nii.gz", np.ones((4, 5, 6), np.float32), 2 * np.eye(4))
        ...     stored = read(Path(folder) / "ones.nii.gz")
        >>> stored.array.shape, stored.affine[0, 0]
        ((4, 5, 6), np.float64(2.0))
    """
    path = require_file(path, "an image")
    try:
        file = _open(path)
        affine = _find_affine(file)
        _require_room(path, file)
        array = _read_voxels(path, file)
    except (QuicksilverError, MemoryError):
        raise
    except Exception as error:  # on damaged bytes the readers may raise anything
        raise _unreadable(path, error) from error
    header = file.header if isinstance(file, nib.Nifti1Pair) else None
    return Stored(*check_array(array, affine, f"{path}"), header)


def _require_room(path: Path, file: Any) -> None:
    """Check that memory is enough for the voxels, scaled to float64 where the header scales."""
    scaled = 8 if file.dataobj.slope != 1 or file.dataobj.inter != 0 else 0
    require_room(path, file.shape, file.get_data_dtype().itemsize + scaled)


def require_room(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    """Check that memory is enough for an image of numbers of a size in bytes, and what is made of
    them.
    """
    voxels = math.prod(map(int, shape))
    advice = f"{path} has {voxels / 1e6:.0f} million voxels: crop it, or use a larger machine"
    require_memory(float(voxels * (itemsize + COPIES)), torch.device("cpu"), advice)


def check_array(array: np.ndarray, affine: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Check an array and its affine, and return them in the machine's byte order.

    Args:
        array: One real number per entry.
        affine: (4, 4).
        name: What errors call it.
    """
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise QuicksilverError(
            f"expected one real number per voxel in {name}, found {array.dtype}; "
            "convert it to a scalar image"
        )
    packed = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return packed, check_affine(affine, name)


def load_grid(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], np.ndarray]:
    """Read the shape of an image and its affine from the header of its file alone."""
    path = require_file(path, "an image")
    try:
        file = _open(path)
        affine = _find_affine(file)
    except (QuicksilverError, MemoryError):
        raise
    except Exception as error:  # on damaged bytes the readers may raise anything
        raise _unreadable(path, error) from error
    return file.shape, check_affine(affine, f"{path}")


def find_doubt(path: str | os.PathLike[str]) -> str | None:
    """Say what is doubtful about where an image lies by its header; None: nothing."""
    path = require_file(path, "an image")
    try:
        file = _open(path)
        if isinstance(file, nib.Nifti1Pair):
            return describe_disagreement(file)
        return None if _says_where(file) else NO_ORIENTATION
    except (QuicksilverError, MemoryError):
        raise
    except Exception as error:  # on damaged bytes the readers may raise anything
        raise _unreadable(path, error) from error


def _says_where(file: Any) -> bool:
    """Tell whether an image other than NIfTI says where it lies: Analyze only with SPM's .mat."""
    matrix = file.file_map.get("mat")
    beside = matrix is not None and Path(matrix.filename).exists()
    return isinstance(file, nib.MGHImage) or beside


def _find_affine(file: Any) -> np.ndarray:
    return choose_affine(file) if isinstance(file, nib.Nifti1Pair) else file.affine


def _read_voxels(path: Path, file: Any) -> np.ndarray:
    """Read the array of a file; igzip checks gzip's checksum, which nibabel alone does not."""
    single = isinstance(file, nib.Nifti1Image | nib.MGHImage)
    if not (single and path.name.endswith((".gz", ".mgz"))):
        return np.asanyarray(file.dataobj)
    with igzip.open(path) as stream:
        holder = nib.FileHolder(fileobj=stream)
        return np.asanyarray(type(file).from_file_map({"image": holder}).dataobj)


def _unreadable(path: Path, error: Exception) -> QuicksilverError:
    return QuicksilverError(
        f"expected a whole image of NIfTI, FreeSurfer or Analyze at {path}, found "
        f"'{error or type(error).__name__}'; convert or export it again"
    )


def _open(path: Path) -> Any:
    """Open a file and read its header, once it is certain that the file can hold what the header
    says.
    """
    if path.suffix == ".gii":  # nibabel would follow the names of files in it
        raise ValueError("a GIFTI surface")
    matrix = path.with_suffix(".mat")
    if path.suffix in (".hdr", ".img") and matrix.exists():
        size = matrix.stat().st_size
        if size > LARGEST_MATRIX:
            raise ValueError(f"a file {matrix.name} of {size} bytes beside it")
    file = nib.load(path)
    if not isinstance(file, KINDS):
        raise ValueError(f"a file of type {type(file).__name__}")
    if min(file.shape, default=0) < 1:
        raise ValueError(f"the shape {file.shape}")
    _check_extension(path, file)
    claimed = math.prod(map(int, file.shape)) * file.get_data_dtype().itemsize
    check_claim(claimed, Path(file.file_map["image"].filename or path).stat().st_size)
    return file


def check_claim(claimed: int, held: int) -> None:
    """Raise ValueError where a header claims more bytes of voxels than a file can hold."""
    ratio = LARGEST_RATIO if claimed > SMALL else GZIP_RATIO
    if claimed > LARGEST or claimed > ratio * held:
        raise ValueError(f"a header of {claimed} bytes of voxels over a file of {held} bytes")


def _check_extension(path: Path, file: Any) -> None:
    """Raise ValueError where voxels begin in an extension of the header, which is no voxels."""
    begin, voxels = len(file.header.binaryblock), file.dataobj.offset
    if not isinstance(file, nib.Nifti1Image) or voxels >= begin + 20:
        return
    with igzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
        stream.seek(begin)
        head = stream.read(8)
    size = int.from_bytes(head[4:8], "little", signed=True)
    if len(head) == 8 and head[0] == 1 and size > 0 and size % 16 == 0:
        raise ValueError(f"an extension of {size} bytes where voxels begin")


def check_affine(affine: np.ndarray, name: str) -> np.ndarray:
    try:
        matrix = np.asarray(affine, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (4, 4) or is_singular(matrix) or not is_affine(matrix):
        found = matrix[:3].round(4).tolist() if matrix.shape == (4, 4) else affine
        raise QuicksilverError(
            f"expected an invertible affine (4, 4) in {name}, in mm, found {found}; repair its "
            "sform or qform"
        )
    return matrix


def save(
    path: str | os.PathLike[str],
    array: np.ndarray,
    affine: np.ndarray,
    intent: str | int = "none",
    source: Any = None,
    intent_name: str = "",
) -> None:
    """Write an array as NIfTI, complete or not at all; its type is kept. An example is with `read`.

    Args:
        path: Ends in .nii or .nii.gz.
        array: The voxels; a slice (X, Y, 1) is written with two axes.
        affine: (4, 4), from array index to RAS millimetres.
        intent: nibabel's name of a NIfTI intent, or its code.
        source: Header of the image that the array was resampled from, whose time, units,
            description and intent are kept; None: there is none.
        intent_name: What the header calls the intent.

    Raises:
        QuicksilverError: The suffix is another, or the file cannot be written.
    """
    path = require_nifti_name(path)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    file = nib.Nifti1Image(array, affine, dtype=array.dtype)
    file.header.set_intent(intent, (), intent_name)
    file.header.set_xyzt_units("mm")
    if source is not None:
        keep_entries(file.header, source)
    with replacing(path) as temporary:
        if path.suffix == ".gz":
            # As small as by zlib, in a tenth of its time; no time of day, so that equal results are
            # equal files.
            with temporary.open("wb") as raw, igzip.IGzipFile("", "wb", 1, raw, 0) as stream:
                file.to_stream(stream)
        else:
            nib.save(file, temporary)


def require_nifti_name(path: str | os.PathLike[str]) -> Path:
    """Return the path of a NIfTI file to write.

    Raises:
        QuicksilverError: Its suffix is another.
    """
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise QuicksilverError(
            f"expected an output ending in .nii or .nii.gz, found {path}; rename it"
        )
    return path
