"""Read and write pictures, PNG and TIFF, as ITK does.

The first pixel, at the top left, is the origin; rows run to the left and columns to the back (LPS).
Colours are read as their luminance.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import simpleitk
from quicksilver.io.files import require_file
from quicksilver.io.itk import find_grid
from quicksilver.io.nifti import Stored, check_array, check_claim, require_room
from quicksilver.io.simpleitk import explaining

SUFFIXES = (".png", ".tif", ".tiff")

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Parts of red, green and blue (ITU-R BT.601)."""

COLOURED = "it is a picture in colours, of which the luminance is taken"


def handles(path: str | os.PathLike[str]) -> bool:
    """Tell by its suffix whether a path is read here."""
    return Path(path).suffix.lower() in SUFFIXES


def read(path: str | os.PathLike[str]) -> Stored:
    """Read a picture, (X, Y), as `quicksilver.io.nifti.read` reads an image.

    Raises:
        QuicksilverError: The file is missing, no picture or damaged, holds several pictures, or
            needs more memory than is free.
    """
    with _reading(path) as (place, reader):
        require_room(place, reader.GetSize(), 4 * reader.GetNumberOfComponents())
        import SimpleITK as sitk

        pixels = sitk.GetArrayFromImage(reader.Execute())
        if reader.GetNumberOfComponents() >= 3:  # a fourth is how opaque it is
            pixels = pixels[..., :3].astype(np.float32) @ LUMINANCE
        elif reader.GetNumberOfComponents() == 2:
            pixels = pixels[..., 0]
        return Stored(*check_array(pixels.T, find_grid(reader).affine, f"{place}"), None)


def load_grid(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], np.ndarray]:
    """Read the shape (X, Y) of a picture and its affine to RAS mm from its header alone."""
    with _reading(path) as (_, reader):
        grid = find_grid(reader)
        return grid.shape[:2], grid.affine


def find_doubt(path: str | os.PathLike[str]) -> str | None:
    """Say what is doubtful about a picture; None: nothing."""
    with _reading(path) as (_, reader):
        return COLOURED if reader.GetNumberOfComponents() >= 3 else None


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[tuple[Path, Any]]:
    """Yield the path of a picture and SimpleITK's reader, once it is certain that the file can hold
    what its header says; say in one sentence what is wrong with it.
    """
    import SimpleITK as sitk

    place = require_file(path, "a picture")
    with explaining(place, "one picture of PNG or TIFF") as folder:
        plain = folder / f"picture{place.suffix.lower()}"
        plain.symlink_to(place.resolve())
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(plain))
        reader.ReadImageInformation()
        size = reader.GetSize()
        if len(size) != 2:
            raise ValueError(f"a stack of {size[-1]} pictures")
        check_claim(int(np.prod(size, dtype=object)), place.stat().st_size)
        yield place, reader


def save(path: str | os.PathLike[str], slice_: np.ndarray, grid: Grid, like: np.dtype[Any]) -> None:
    """Write a slice as a picture, complete or not at all.

    Args:
        path: Ends in .png, .tif or .tiff.
        slice_: (X, Y, 1), rounded and clipped to the type of a picture.
        grid: Where its pixels lie: as those of a picture do.
        like: Type of the image that it comes from, which the picture gets if pictures have it.

    Raises:
        QuicksilverError: The grid is another, or the file cannot be written.
    """
    import SimpleITK as sitk

    path = Path(path)
    kind = like if like in (np.uint8, np.uint16) else np.dtype(np.uint8)
    steps = grid.spacing[:2] if path.suffix.lower() != ".png" else np.ones(2)
    as_picture = np.diag([-steps[0], -steps[1], grid.affine[2, 2], 1.0])
    if not np.allclose(grid.affine, as_picture, atol=1e-4 * steps.min()):
        raise QuicksilverError(
            f"expected the grid of a picture for {path}, with its origin at a corner, upright and, "
            "for .png, with pixels of 1 mm, found another; write .nii.gz"
        )
    limits = np.iinfo(kind)
    pixels = np.clip(np.rint(slice_[..., 0]), limits.min, limits.max).astype(kind)
    image = sitk.GetImageFromArray(np.ascontiguousarray(pixels.T))
    image.SetSpacing(steps.tolist())
    simpleitk.write(path, lambda name: sitk.WriteImage(image, name))
