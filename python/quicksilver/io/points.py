"""Read and write points: tables, surfaces and streamlines, all in RAS millimetres of the world.

What else a file holds (other columns, triangles, data per point) stays as it is.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

import nibabel as nib
import numpy as np
from nibabel.freesurfer.io import read_geometry, write_geometry
from nibabel.gifti.gifti import GiftiCoordSystem

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.files import require_file
from quicksilver.io.freesurfer import TKRAS_AXES
from quicksilver.io.headers import FARTHEST
from quicksilver.io.point_set import PointSet
from quicksilver.io.slicer import read_fcsv
from quicksilver.io.vtk import read_vtk

SEPARATORS = {".csv": ",", ".tsv": "\t"}
FREESURFER = b"\xff\xff\xfe"
"""The first bytes of a surface of FreeSurfer, whose names have no suffix of their own."""


def holds_points(path: str | os.PathLike[str]) -> bool:
    """Tell by its suffix or its first bytes whether `read_points` reads a file."""
    path = require_file(path, "an image, points, a surface or streamlines")
    if path.suffix in SEPARATORS or path.suffix in READERS or path.suffix == ".vtk":
        return True
    with path.open("rb") as file:
        return file.read(len(FREESURFER)) == FREESURFER


def read_points(path: str | os.PathLike[str], lps: bool = False) -> PointSet:
    """Read the points of a table, a surface or streamlines.

    * .csv, .tsv: columns x, y and z; of slices x and y.
    * .gii: a GIFTI surface; where it has FreeSurfer's geometry of a volume (VolGeomC_R and the
      like), its points are moved by it into the world, and the surface that is written says that
      it is there.
    * FreeSurfer's binary surfaces; their own geometry says where they lie in the world. The
      surface that is written has a geometry whose surface coordinates are the world's.
    * .trk, .tck: streamlines.
    * .fcsv: points of 3D Slicer; their header says whether they are RAS or LPS.
    * .vtk: PolyData of VTK's legacy format, ASCII or binary; its title has to say SPACE=RAS or
      SPACE=LPS, as 3D Slicer writes it, or `lps` does.

    Args:
        path: The file.
        lps: Whether the coordinates of a table, or of a .vtk file that does not say it, are ITK's
            and ANTs', and are written so.

    Raises:
        QuicksilverError: The file is damaged, or has no points or some that are nowhere: NaN, or
            farther than any image.
    """
    path = require_file(path, "points")
    if lps and path.suffix not in (*SEPARATORS, ".vtk"):
        raise QuicksilverError(
            f"expected a table or a .vtk file with --lps, found {path}, which says itself where "
            "its points lie; leave --lps out"
        )
    try:
        found = _read(path, lps)
        if not len(found.points):
            raise ValueError("none")
        _check_near(found.points)
    except QuicksilverError:
        raise
    except Exception as error:  # on damaged bytes the readers may raise anything
        raise QuicksilverError(
            f"expected points of a table, a surface or streamlines in {path}, found "
            f"'{error or type(error).__name__}'; export it again"
        ) from error
    return found


def _read(path: Path, lps: bool) -> PointSet:
    if path.suffix == ".vtk":
        return read_vtk(path, lps)
    if path.suffix in SEPARATORS:
        table = _read_table(path)
        return table.from_lps() if lps else table
    return READERS.get(path.suffix, _read_surface)(path)


def _check_near(points: np.ndarray) -> None:
    """Raise ValueError for the first point that is NaN or farther away than any image."""
    far = np.flatnonzero(~(np.abs(points) < FARTHEST).all(axis=1))
    if far.size:
        where = ", ".join(f"{value:g}" for value in points[far[0]])
        raise ValueError(
            f"{far.size} points with NaN or beyond {FARTHEST:g} mm, the first ({where}) at place "
            f"{far[0] + 1}"
        )


def _read_table(path: Path) -> PointSet:
    separator = SEPARATORS[path.suffix]
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file, delimiter=separator, strict=True) if row]
    names = [name.strip().lower() for name in rows[0]] if rows else []
    counts = [names.count(name) for name in "xyz"]
    if counts not in ([1, 1, 1], [1, 1, 0]):
        raise ValueError(f"the columns {', '.join(names) or 'none'} instead of one x, y and z each")
    columns = [names.index(name) for name, count in zip("xyz", counts, strict=True) if count]
    points = np.zeros((len(rows) - 1, 3))
    for number, row in enumerate(rows[1:]):
        if len(row) != len(names):
            raise ValueError(f"{len(row)} entries instead of {len(names)} in row {number + 2}")
        try:
            points[number, : len(columns)] = [float(row[column]) for column in columns]
        except ValueError as error:
            raise ValueError(f"{error} in row {number + 2}") from error

    def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=separator, lineterminator="\n")
            writer.writerow(rows[0])
            for row, point in zip(rows[1:], points, strict=True):
                moved = list(row)
                for column, value in zip(columns, point, strict=False):
                    moved[column] = f"{value:.6f}"
                writer.writerow(moved)

    return PointSet(points, write, planar=len(columns) == 2)


def _read_gifti(path: Path) -> PointSet:
    _refuse_external_data(path)
    surface = nib.load(path)
    if not isinstance(surface, nib.GiftiImage):
        raise ValueError(f"a file of type {type(surface).__name__}")
    arrays = surface.get_arrays_from_intent("NIFTI_INTENT_POINTSET")
    if len(arrays) != 1 or arrays[0].data is None or arrays[0].data.shape[1:] != (3,):
        raise ValueError(f"{len(arrays)} sets of points (N, 3) instead of one")
    array = arrays[0]
    scanner = nib.nifti1.xform_codes["scanner"]
    in_world = array.coordsys is not None and array.coordsys.dataspace == scanner
    axes, centre = _read_gifti_geometry({} if in_world else array.meta)

    def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
        array.data = points.astype(np.float32)
        placed = _name_gifti_geometry(TKRAS_AXES, np.zeros(3))
        array.meta.update({key: str(placed[key]) for key in placed if key in array.meta})
        array.coordsys = GiftiCoordSystem(scanner, scanner, np.eye(4))
        nib.save(surface, path)

    return PointSet(_to_world(array.data.astype(np.float64), axes, centre), write)


def _refuse_external_data(path: Path) -> None:
    """Raise ValueError for a GIFTI file that names another file, which nibabel would read."""

    def check(name: str, attributes: dict[str, str]) -> None:
        if name == "DataArray" and attributes.get("ExternalFileName"):
            raise ValueError("data in another file, which is not followed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = check
    with path.open("rb") as file:
        parser.ParseFile(file)


def _read_gifti_geometry(meta: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Read the axes, as columns, and the centre of a volume from a GIFTI surface's metadata.

    What is not there is that of a surface in the world's coordinates.
    """
    given = _name_gifti_geometry(TKRAS_AXES, np.zeros(3))
    values = np.array([float(meta.get(key, value)) for key, value in given.items()])
    columns = values.reshape(4, 3).T
    return columns[:, :3], columns[:, 3]


def _name_gifti_geometry(axes: np.ndarray, centre: np.ndarray) -> dict[str, float]:
    """Return the entries of FreeSurfer's geometry in GIFTI: of axes (columns) and a centre."""
    vectors = zip("XYZC", (*axes.T, centre), strict=True)
    return {
        f"VolGeom{name}_{axis}": float(value)
        for name, vector in vectors
        for axis, value in zip("RAS", vector, strict=True)
    }


def _to_world(points: np.ndarray, axes: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Move points of FreeSurfer's surface coordinates into the world.

    Args:
        points: (N, 3), millimetres from the centre of a volume along its axes.
        axes: (3, 3), columns: directions of the volume's axes.
        centre: (3,), of the volume.
    """
    turn = axes @ np.linalg.inv(TKRAS_AXES)
    if not abs(abs(np.linalg.det(turn)) - 1) < 0.01:
        raise ValueError("a volume whose axes are not at right angles")
    return points @ turn.T + centre


def _read_surface(path: Path) -> PointSet:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a surface without geometry, as the error below says
        points, triangles, geometry = read_geometry(path, read_metadata=True)
    if "cras" not in geometry:
        raise ValueError("a surface that does not say where its volume lies")
    axes = np.column_stack([geometry[f"{axis}ras"] for axis in "xyz"])

    def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
        axes = {f"{axis}ras": TKRAS_AXES[:, n] for n, axis in enumerate("xyz")}
        placed = {**geometry, **axes, "cras": np.zeros(3)}
        write_geometry(path, points, triangles, volume_info=placed)

    return PointSet(_to_world(points, axes, geometry["cras"]), write)


def _read_streamlines(path: Path) -> PointSet:
    file: Any = nib.streamlines.load(path)
    streamlines = file.tractogram.streamlines
    points = np.asarray(streamlines.get_data(), dtype=np.float64).reshape(-1, 3)

    def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
        streamlines._data = points.astype(np.float32)
        header = dict(file.header)
        if grid is not None and path.suffix == ".trk":
            header |= _trk_header(grid)
        nib.streamlines.save(file.tractogram, str(path), header=header)

    return PointSet(points, write)


def _trk_header(grid: Grid) -> dict[str, Any]:
    return {
        "voxel_to_rasmm": grid.affine.astype(np.float32),
        "dimensions": np.array(grid.shape, dtype=np.int16),
        "voxel_sizes": grid.spacing.astype(np.float32),
        "voxel_order": "".join(nib.aff2axcodes(grid.affine)).encode(),
    }


READERS: dict[str, Callable[[Path], PointSet]] = {
    ".gii": _read_gifti,
    ".trk": _read_streamlines,
    ".tck": _read_streamlines,
    ".fcsv": read_fcsv,
}
