"""Read the slices of one series of DICOM in a folder as a volume."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.io.affines import LPS
from quicksilver.io.nifti import check_claim

MARK = b"DICM"
MARK_AT = 128
INDEX = "DICOMDIR"
"""File that lists others, with their mark."""
UNEVEN = 0.02
"""How far slices may be from where they should be, of their distance: positions are rounded."""


def holds_series(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a folder with files of DICOM, by their mark."""
    try:
        return Path(path).is_dir() and any(map(_is_dicom, Path(path).iterdir()))
    except (OSError, ValueError):
        return False


def _is_dicom(path: Path) -> bool:
    if not path.is_file() or path.resolve().name == INDEX:
        return False
    with path.open("rb") as file:
        return file.read(MARK_AT + len(MARK))[MARK_AT:] == MARK


def measure_series(folder: Path) -> tuple[Grid, list[Path]]:
    """Find the grid of the only series in a folder, and its files from the first slice to the last.

    The third axis goes from slice to slice as they lie, and need not be at right angles to them.

    Raises:
        ValueError: There are several series, or slices that make no grid.
    """
    import SimpleITK as sitk

    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise ValueError(f"{len(series)} series in one folder")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    unread = sum(_is_dicom(file) for file in folder.iterdir()) - len(names)
    if unread > 0:
        raise ValueError(f"{unread} files of DICOM that cannot be read")
    headers = [_read_header(name) for name in names]
    first = headers[0]
    for header in headers:
        if header.GetSize() != first.GetSize() or header.GetNumberOfComponents() != 1:
            raise ValueError("slices of several sizes, or with more than one number per voxel")
        if not np.allclose(header.GetDirection(), first.GetDirection(), atol=1e-3):
            raise ValueError("slices that are turned against each other")
    held = sum(Path(name).stat().st_size for name in names)
    check_claim(8 * int(np.prod(first.GetSize(), dtype=object)) * len(names), held)
    return _stack(headers, [Path(name) for name in names])


def read_slices(files: Sequence[Path]) -> np.ndarray:
    """Read slices, their rescaling applied, into one volume (X, Y, Z)."""
    import SimpleITK as sitk

    slices = [
        sitk.GetArrayFromImage(sitk.ReadImage(str(file), sitk.sitkFloat32)).T for file in files
    ]
    return np.concatenate(slices, axis=2)


def _read_header(name: str) -> Any:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(name)
    reader.ReadImageInformation()
    if reader.GetDimension() != 3:
        raise ValueError(f"an image of {reader.GetDimension()} dimensions")
    return reader


def _stack(headers: Sequence[Any], files: Sequence[Path]) -> tuple[Grid, list[Path]]:
    """Put slices in the order in which they lie; one file may hold a volume."""
    x, y, z = headers[0].GetSize()
    if z > 1 and len(headers) > 1:
        raise ValueError(f"{len(headers)} volumes in one series")
    axes = np.reshape(headers[0].GetDirection(), (3, 3)) * headers[0].GetSpacing()
    places = np.array([header.GetOrigin() for header in headers])
    order = np.argsort(places @ np.cross(axes[:, 0], axes[:, 1]))
    places = places[order]
    if len(places) > 1:
        axes[:, 2] = (places[-1] - places[0]) / (len(places) - 1)
        expected = places[0] + np.arange(len(places))[:, None] * axes[:, 2]
        off = np.linalg.norm(places - expected, axis=1).max()
        apart = np.linalg.norm(np.diff(places, axis=0), axis=1)
        if not apart.min() > 0 or off > UNEVEN * np.linalg.norm(axes[:, 2]):
            raise ValueError(
                f"slices that are between {apart.min():.3g} and {apart.max():.3g} mm apart"
            )
    affine = np.eye(4)
    affine[:3] = np.column_stack([axes, places[0]])
    return Grid((x, y, max(z, len(headers))), LPS @ affine), [files[index] for index in order]
