"""Read images by ITK: NRRD, MetaImage, and a folder with one series of DICOM.

ITK's points are in LPS millimetres; what is returned is in RAS. Nothing is read before the header
was found to claim no more than its file can hold and the memory can take.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.images.plane import lay_flat
from quicksilver.io import metaimage, nrrd
from quicksilver.io.affines import LPS
from quicksilver.io.dicom import holds_series, measure_series, read_slices
from quicksilver.io.files import require_file
from quicksilver.io.nifti import Stored, check_affine, check_array, check_claim, require_room
from quicksilver.io.simpleitk import explaining

SUFFIXES = (*nrrd.SUFFIXES, *metaimage.SUFFIXES)
DETACHED = re.compile(
    rb"^(?:data ?file|ElementDataFile)[ \t]*[:=][ \t]*(.+?)[ \t\r]*$", re.I | re.M
)
"""The entry of a header that names the file of its voxels."""

HEADER = 1 << 16
"""Bytes in which the header of a file is looked for."""

NO_SPACE = "its NRRD header does not say in which space it lies: LPS is taken"


def handles(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is read here: by its suffix, or as a folder with files of DICOM."""
    return Path(path).suffix.lower() in SUFFIXES or holds_series(path)


def read(path: str | os.PathLike[str]) -> Stored:
    """Read an image, as `quicksilver.io.nifti.read` does.

    Raises:
        QuicksilverError: The file is missing, of another format or damaged, or needs more memory
            than is free; a folder holds several series, or slices that are not evenly spaced.
    """
    with _reading(path) as (place, plain):
        if place.is_dir():
            grid, slices = measure_series(plain)
            require_room(place, grid.shape, 4)
            array, affine = read_slices(slices), grid.affine
        else:
            import SimpleITK as sitk

            reader = _open(place, plain)
            require_room(place, reader.GetSize(), _measure_voxel(reader))
            _check_voxels(place, reader)
            array, affine = sitk.GetArrayFromImage(reader.Execute()).T, find_grid(reader).affine
        return Stored(*check_array(array, affine, f"{place}"), None)


def load_grid(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], np.ndarray]:
    """Read the shape of an image and its affine to RAS millimetres from headers alone."""
    with _reading(path) as (place, plain):
        grid = measure_series(plain)[0] if place.is_dir() else find_grid(_open(place, plain))
        return grid.shape, check_affine(grid.affine, f"{place}")


def find_doubt(path: str | os.PathLike[str]) -> str | None:
    """Say what is doubtful about where an image lies by its header; None: nothing."""
    place = Path(path)
    if place.suffix.lower() not in nrrd.SUFFIXES:
        return None
    fields = _read_header(require_file(place, "an image")).lower()
    return None if re.search(rb"^space: *\S", fields, re.M) else NO_SPACE


def find_grid(image: Any) -> Grid:
    """Find the grid of an image of SimpleITK in 3-D or 2-D, or of its reader that has read a
    header.
    """
    dims, affine = image.GetDimension(), np.eye(4)
    affine[:dims, :dims] = np.reshape(image.GetDirection(), (dims, dims)) * image.GetSpacing()
    affine[:dims, 3] = image.GetOrigin()
    x, y, z = (*map(int, image.GetSize()), 1)[:3]
    return Grid((x, y, z), LPS @ (affine if dims == 3 else lay_flat(affine)))


def describe_grid(grid: Grid) -> tuple[list[int], list[float], list[float], list[float]]:
    """Return how ITK says where a grid lies: size, origin, spacing and direction."""
    dims, placed, spacing = grid.dims, LPS @ grid.affine, grid.spacing[: grid.dims]
    direction = placed[:dims, :dims] / spacing
    return (
        list(grid.shape[:dims]),
        placed[:dims, 3].tolist(),
        spacing.tolist(),
        direction.ravel().tolist(),
    )


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[tuple[Path, Path]]:
    """Yield the path of an image, and a name of it that ITK can open; say in one sentence what is
    wrong with it.
    """
    place = Path(path) if holds_series(path) else require_file(path, "an image")
    with explaining(place, "a whole image of NRRD, MetaImage or DICOM") as folder:
        yield place, _link(place, folder)


def _link(place: Path, folder: Path) -> Path:
    """Link an image into a folder, with the file that a detached header names."""
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if file.is_file())
        for number, file in enumerate(files):
            (folder / f"{number:06}.dcm").symlink_to(file.resolve())
        return folder
    plain = folder / f"image{place.suffix.lower()}"
    plain.symlink_to(place.resolve())
    if (name := _name_data(place)) is not None:
        (folder / name).symlink_to((place.parent / name).resolve())
    return plain


def _find_data(place: Path) -> Path | None:
    """Return the file in which a detached header has its voxels; None: its own."""
    name = _name_data(place)
    return None if name is None else place.parent / name


def _name_data(place: Path) -> str | None:
    """Return the name of the file in which a detached header has its voxels; None: its own.

    Raises:
        ValueError: They are elsewhere than in one file beside the header, which is not followed.
    """
    found = DETACHED.search(_read_header(place))
    if found is None or found[1] == b"LOCAL":
        return None
    name = found[1].decode()
    if not re.fullmatch(r"[\w-][\w .-]*", name) or name.startswith("LIST"):
        raise ValueError(f"voxels in '{name}', which is no one file beside it")
    require_file(place.parent / name, "the voxels of an image")
    return name


def _read_header(place: Path) -> bytes:
    return _read_head(place).split(b"\n\n")[0]


def _read_head(place: Path) -> bytes:
    with place.open("rb") as file:
        return file.read(HEADER)


def _open(place: Path, plain: Path) -> Any:
    """Return SimpleITK's reader of a file, once it is certain that the file can hold what its
    header says.

    Raises:
        ValueError: It cannot, or holds anything but one number per voxel of three dimensions.
    """
    import SimpleITK as sitk

    if place.suffix.lower() in metaimage.SUFFIXES:
        metaimage.check_header(_read_head(place))
    else:
        nrrd.check_header(place)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(plain))
    reader.ReadImageInformation()
    size, parts = reader.GetSize(), reader.GetNumberOfComponents()
    if len(size) != 3 or parts != 1:
        raise ValueError(f"{len(size)} dimensions with {parts} numbers per voxel")
    check_claim(_measure_voxels(reader), (_find_data(place) or place).stat().st_size)
    return reader


def _measure_voxel(reader: Any) -> int:
    """Return the bytes of one voxel."""
    import SimpleITK as sitk

    size: int = sitk.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
    return size


def _measure_voxels(reader: Any) -> int:
    """Return the bytes of all voxels, by the header."""
    return int(np.prod(reader.GetSize(), dtype=object)) * _measure_voxel(reader)


def _check_voxels(place: Path, reader: Any) -> None:
    """Raise ValueError for damage that ITK does not see; it prints, or hands out what it has."""
    if place.suffix.lower() in metaimage.SUFFIXES:
        head, size = _read_head(place), _measure_voxels(reader)
        metaimage.check_voxels(head, _find_data(place), place, size)
