"""Write maps as other programs read them.

`quicksilver.io.fields` writes those of ITK, which are also ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import nifti, simpleitk
from quicksilver.io.affines import LPS
from quicksilver.io.fields import write_field
from quicksilver.io.fsl import fsl_to_world
from quicksilver.io.headers import is_oblique
from quicksilver.io.itk import describe_grid
from quicksilver.transforms.field import WorldField

FSL_WARP = 2006
"""FSL's intent of displacements."""


class MapFormat(str, Enum):
    """The program that reads a map; `ITK_H5` is ITK, too, in a composite of HDF5."""

    ITK = "itk"
    ITK_H5 = "itk-h5"
    FSL = "fsl"
    AFNI = "afni"
    SPM = "spm"
    VOXELMORPH = "voxelmorph"

    @property
    def suffix(self) -> str:
        """The end of the names of its files."""
        return ".h5" if self is MapFormat.ITK_H5 else ".nii.gz"


def as_format(name: str) -> MapFormat:
    """Return the format of a name.

    Raises:
        QuicksilverError: There is none.
    """
    try:
        return MapFormat(name)
    except ValueError as error:
        known = ", ".join(kind.value for kind in MapFormat)
        raise QuicksilverError(f"expected a format of {known}, found '{name}'; give one") from error


def write_map(
    path: str | os.PathLike[str],
    field: WorldField,
    kind: MapFormat,
    moving: Grid | None = None,
) -> None:
    """Write a map from the target's points to the moving image's for another program.

    Args:
        path: The file, complete or absent.
        field: The map, on the target's grid.
        kind: The program.
        moving: Grid of the moving image, on which FSL's coordinates depend.

    Raises:
        QuicksilverError: The name has another suffix, the file cannot be written, the grids are not
            what the program can use, or the moving image's is missing.

    Example:
        >>> field = WorldField.identity(Grid((2, 3, 4), np.eye(4)))
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_map(f"{folder}/y_map.nii.gz", field, MapFormat.SPM)
        ...     nifti.load(f"{folder}/y_map.nii.gz")[0][1, 2, 3, 0]
        array([1., 2., 3.], dtype=float32)
    """
    path = Path(path)
    if not path.name.endswith((".h5",) if kind is MapFormat.ITK_H5 else (".nii", ".nii.gz")):
        raise QuicksilverError(
            f"expected a map for {kind.value} to end in {kind.suffix}, found {path}; rename it"
        )
    if field.grid.planar and kind not in (MapFormat.ITK, MapFormat.ITK_H5):
        raise QuicksilverError(
            f"expected a map of volumes for {kind.value}, found one of slices, which only ITK has; "
            "use itk or itk-h5"
        )
    _WRITERS[kind](path, field, moving)


def list_exports(names: tuple[str, ...], kind: MapFormat) -> list[str]:
    """List the names of the files with maps of these names for a program."""
    return [f"{name}_{kind.value}{kind.suffix}" for name in names]


def _write_itk(path: Path, field: WorldField, moving: Grid | None) -> None:
    write_field(path, field)


def _write_h5(path: Path, field: WorldField, moving: Grid | None) -> None:
    import SimpleITK as sitk

    vectors = (_get_vectors(field) * np.diag(LPS)[:3]).transpose(2, 1, 0, 3)
    shown = vectors[0, ..., :2] if field.grid.planar else vectors
    image = sitk.GetImageFromArray(np.ascontiguousarray(shown), isVector=True)
    _, origin, spacing, direction = describe_grid(field.grid)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    image.SetOrigin(origin)
    whole = sitk.CompositeTransform([sitk.DisplacementFieldTransform(image)])
    simpleitk.write(path, lambda name: sitk.WriteTransform(whole, name))


def _write_fsl(path: Path, field: WorldField, moving: Grid | None) -> None:
    """Write displacements from FSL's coordinates of the target to those of the moving image."""
    if moving is None:
        raise QuicksilverError(
            "expected the moving image, on whose grid a warp of FSL depends, found none; give it "
            "as INPUT"
        )
    here, there = (np.linalg.inv(fsl_to_world(grid)) for grid in (field.grid, moving))
    start = field.grid.positions()
    moved = start + _get_vectors(field)
    vectors = moved @ there[:3, :3].T + there[:3, 3] - (start @ here[:3, :3].T + here[:3, 3])
    nifti.save(path, vectors.astype(np.float32), field.grid.affine, intent=FSL_WARP)


def _write_afni(path: Path, field: WorldField, moving: Grid | None) -> None:
    """Write what ITK reads, too, for grids that AFNI places as their headers do."""
    for grid in (field.grid, moving):
        if grid is not None and is_oblique(grid.affine):
            raise QuicksilverError(
                "expected grids along the axes of the world for AFNI, whose warps do not see how "
                "an oblique grid is turned, found an oblique one; resample the images first"
            )
    write_field(path, field)


def _write_spm(path: Path, field: WorldField, moving: Grid | None) -> None:
    positions = (field.grid.positions() + _get_vectors(field)).astype(np.float32)
    shaped = positions[:, :, :, None]
    nifti.save(path, shaped, field.grid.affine, intent="vector", intent_name="Mapping")


def _write_voxelmorph(path: Path, field: WorldField, moving: Grid | None) -> None:
    vectors = field.in_voxels()[0].permute(1, 2, 3, 0).cpu().numpy()
    nifti.save(path, vectors, field.grid.affine)


def _get_vectors(field: WorldField) -> np.ndarray:
    """Return the displacements (X, Y, Z, 3), RAS millimetres, in double precision."""
    return field.vectors[0].permute(1, 2, 3, 0).double().cpu().numpy()


_WRITERS: dict[MapFormat, Callable[[Path, WorldField, Grid | None], None]] = {
    MapFormat.ITK: _write_itk,
    MapFormat.ITK_H5: _write_h5,
    MapFormat.FSL: _write_fsl,
    MapFormat.AFNI: _write_afni,
    MapFormat.SPM: _write_spm,
    MapFormat.VOXELMORPH: _write_voxelmorph,
}
