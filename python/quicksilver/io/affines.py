"""Affine maps between two spaces, in the formats of other programs.

An affine here is a matrix (4, 4) in RAS millimetres that takes a point of the target to the
matching point of the moving image: the direction in which images are resampled. ITK and ANTs store
the same direction in LPS millimetres, and tkregister in coordinates of its own; FSL, the .lta of
FreeSurfer and MINC store the other one, from the moving image (their "in" or "src") to the target
("ref" or "dst").
"""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.io import simpleitk
from quicksilver.io.files import require_file
from quicksilver.io.freesurfer import find_surface_space, parse_lta, parse_register_dat
from quicksilver.io.fsl import fsl_to_world, parse_flirt
from quicksilver.io.headers import is_affine
from quicksilver.io.minc import parse_xfm
from quicksilver.io.parameters import check_count

if TYPE_CHECKING:
    from quicksilver.images.image import Grid

Format = Literal["itk-text", "itk-binary", "freesurfer", "tkregister", "minc", "fsl"]

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""RAS to LPS, and back."""

LARGEST_FILE = 1 << 20  # bytes; an affine needs a few hundred
PARAMETERS = re.compile(rb"^Transform: (\S*)[^\n]*\nParameters:([^\n]*)", re.MULTILINE)
TKREGISTER = re.compile(rb"\s*\S[^\n]*\n" + 3 * rb"[ \t]*[-+.\deE]+[ \t\r]*\n")
"""How a register.dat begins: a line with the name of a subject, three with one number each."""

ITK_SUFFIXES = {"itk-text": ".txt", "itk-binary": ".mat"}


def read_affine(
    path: str | os.PathLike[str],
    moving: Grid | None = None,
    target: Grid | None = None,
    planar: bool | None = False,
) -> np.ndarray:
    """Read an affine (4, 4) from the target's points to the moving image's, RAS millimetres.

    The content tells the format: ITK and ANTs (.mat, .txt, .tfm; any linear transform), FSL (a text
    of 4 x 4 numbers), FreeSurfer (.lta, between voxels or RAS; register.dat of tkregister) or MINC
    (.xfm, linear). Two-dimensional ones of ITK are those of slices.

    Args:
        path: The file.
        moving: Grid of the moving image, on which the coordinates of FSL and tkregister depend;
            other formats do not need it.
        target: Grid of the target, likewise.
        planar: Whether it is to map slices; None: either.

    Raises:
        QuicksilverError: The file is missing, in none of the formats, not linear or without
            inverse, or is of FSL or tkregister and a grid is missing.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_affine(f"{folder}/shift.mat", np.eye(4) + np.eye(4, k=3))
        ...     read_affine(f"{folder}/shift.mat")[0]
        array([1., 0., 0., 1.])
    """
    path = require_file(path, "an affine")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"a file of {path.stat().st_size} bytes")
        content = path.read_bytes()
        kind = detect_format(content)
        if kind == "fsl":
            found = np.linalg.inv(check_affine(parse_flirt(content.decode())))
            matrix = _place(found, fsl_to_world, moving, target, "FSL")
        elif kind == "tkregister":
            found = check_affine(parse_register_dat(content.decode()))
            matrix = _place(found, find_surface_space, moving, target, "tkregister")
        elif kind == "freesurfer":
            matrix = np.linalg.inv(check_affine(parse_lta(content.decode())))
        elif kind == "minc":
            matrix = np.linalg.inv(check_affine(parse_xfm(content.decode())))
        else:
            matrix = _parse_itk(content, ITK_SUFFIXES[kind], planar)
        return check_affine(matrix)
    except (OSError, ValueError) as error:
        raise QuicksilverError(
            f"expected an affine of ITK, ANTs, FSL, FreeSurfer or MINC in {path}, found '{error}'; "
            "export it again"
        ) from error


def detect_format(content: bytes) -> Format:
    """Tell which program's affine the bytes hold; FSL's, which has no mark, if no other's."""
    head = content[:4096]
    if TKREGISTER.match(head):
        return "tkregister"
    if head.lstrip().startswith(b"#Insight Transform File"):
        return "itk-text"
    if re.search(rb"^[ \t]*nxforms[ \t]*=", head, re.MULTILINE):
        return "freesurfer"
    if head.lstrip().startswith(b"MNI Transform File"):
        return "minc"
    if b"\0" in head[:20] and b"Transform_" in head[20:80]:  # the header of a Matlab 4 matrix
        return "itk-binary"
    return "fsl"


def check_affine(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix (4, 4) if it is finite, affine and has a usable inverse.

    Raises:
        ValueError: It is not or has none.
    """
    if not np.isfinite(matrix).all():
        raise ValueError("a matrix with NaN or infinity")
    if not is_affine(matrix):
        raise ValueError(f"a matrix whose last row is {matrix[3].tolist()}, not 0 0 0 1")
    sizes = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    shift = np.abs(matrix[:3, 3]).max()
    if not 1e-3 < sizes[2] <= sizes[0] < 1e3 or shift > 1e5:
        scales = ", ".join(f"{size:.3g}" for size in sizes)
        raise ValueError(f"a matrix that scales by {scales} and moves by {shift:.3g} mm")
    return matrix


def as_affine(matrix: object) -> np.ndarray:
    """Return what is given for an affine as a matrix (4, 4).

    Raises:
        QuicksilverError: It is none, or has no usable inverse.
    """
    try:
        found = np.asarray(matrix, dtype=np.float64)
        if found.shape != (4, 4):
            raise ValueError(f"an array of shape {found.shape}")
        return check_affine(found)
    except (TypeError, ValueError) as error:
        raise QuicksilverError(
            f"expected an affine (4, 4) between points in RAS mm, found '{error}'; give one, or a "
            "file of one"
        ) from error


def write_affine(path: str | os.PathLike[str], matrix: np.ndarray, dims: int = 3) -> None:
    """Write an affine (4, 4), from the target's points to the moving image's in RAS mm, for ITK and
    ANTs.

    An example is with `read_affine`.

    Args:
        path: Ends in .mat, ANTs' binary form, or .txt or .tfm, ITK's text.
        matrix: The affine.
        dims: 2 for an affine of slices, which ITK writes in two dimensions.

    Raises:
        QuicksilverError: The suffix is another, or the file cannot be written.
    """
    import SimpleITK as sitk

    path = Path(path)
    if path.suffix not in (".mat", ".txt", ".tfm"):
        raise QuicksilverError(
            f"expected an affine to end in .mat, .txt or .tfm, found {path}; rename it"
        )
    turned = LPS @ matrix @ LPS
    linear, shift = turned[:dims, :dims], turned[:dims, 3]
    transform = sitk.AffineTransform(linear.ravel().tolist(), shift.tolist())
    simpleitk.write(path, lambda name: sitk.WriteTransform(transform, name))


def read_linear(transform: Any, planar: bool | None = False) -> np.ndarray:
    """Return the matrix (4, 4) of a linear SimpleITK transform, RAS millimetres.

    Args:
        transform: The transform.
        planar: Whether it is to be one of slices; None: of either.

    Raises:
        ValueError: The transform is not linear, or of other dimensions.
    """
    dims = transform.GetDimension()
    if not transform.IsLinear() or (planar is not None and dims != (2 if planar else 3)):
        raise ValueError(f"a {dims}-D {transform.GetName()}")
    matrix = np.eye(4)
    matrix[:dims, 3] = transform.TransformPoint((0.0,) * dims)
    for axis in range(dims):
        point = tuple(np.eye(dims)[axis])
        matrix[:dims, axis] = np.subtract(transform.TransformPoint(point), matrix[:dims, 3])
    return LPS @ matrix @ LPS


def _parse_itk(content: bytes, suffix: str, planar: bool | None) -> np.ndarray:
    """Parse an affine of ITK, which chooses its reader by a suffix that other programs' files need
    not have.
    """
    import SimpleITK as sitk

    check_whole(content, suffix)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"affine{suffix}"
        copy.write_bytes(content)
        try:
            return read_linear(sitk.ReadTransform(str(copy)), planar)
        except RuntimeError as error:
            raise ValueError(simpleitk.last_line(error)) from error
        except KeyError as error:
            raise ValueError("a transform that SimpleITK does not know") from error


def check_whole(content: bytes, suffix: str) -> None:
    """Raise ValueError for damage that ITK does not see.

    ITK takes a text without parameters for the identity, and reads, for minutes, as many numbers as
    a binary file claims to have.
    """
    if suffix == ".txt":
        named = re.findall(rb"^Transform: (?!Composite)", content, re.MULTILINE)
        single = len(named)
        if single != content.count(b"\nParameters:"):
            raise ValueError("a transform without parameters")
        found = [(kind, len(_parse_line(text))) for kind, text in PARAMETERS.findall(content)]
    else:
        columns = _read_columns(content)
        found, single = columns[::2], len(columns) // 2
    for kind, count in found:
        check_count(kind.decode("latin-1").rstrip("\0"), count)
    check_single(single, b"Transform: Composite" in content or b"CompositeTransform_" in content)


def _parse_line(text: bytes) -> list[float]:
    return [float(word) for word in text.split()]


def check_single(count: int, composite: bool) -> None:
    """Raise ValueError for a list of transforms, of which ITK reads the first alone."""
    if count > 1 and not composite:
        raise ValueError(f"{count} transforms one after the other, which are no composite")


def _read_columns(content: bytes) -> list[tuple[bytes, int]]:
    """Return the name and the rows of each column of numbers in a Matlab 4 file; a transform of ITK
    has two, its parameters and what is fixed.
    """
    start, columns = 0, []
    while start < len(content):  # Matlab 4: five integers, a name, then rows x columns numbers
        if len(content) < start + 20:
            raise ValueError("a file that is cut short")
        kind, rows, width, imaginary, name = struct.unpack_from("<5i", content, start)
        if kind not in (0, 10) or width != 1 or imaginary or not 0 < name < 256 or rows < 0:
            raise ValueError("no columns of double or single precision")
        columns.append((content[start + 20 : start + 20 + name], rows))
        start += 20 + name + rows * (4 if kind else 8)
    if start != len(content):
        raise ValueError("a file that is cut short")
    return columns


def _place(
    matrix: np.ndarray,
    to_world: Callable[[Grid], np.ndarray],
    moving: Grid | None,
    target: Grid | None,
    program: str,
) -> np.ndarray:
    """Bring a matrix from the target to the moving image from coordinates that belong to each of
    these images into the world.

    Raises:
        ValueError: One of their grids is missing.
    """
    if moving is None or target is None:
        raise ValueError(
            f"a matrix of {program}, which means nothing without both images, and so not in a list "
            "of transforms: --reference is one, and for points --points-image"
        )
    return to_world(moving) @ matrix @ np.linalg.inv(to_world(target))
