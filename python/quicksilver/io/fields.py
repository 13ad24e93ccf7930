"""Displacement fields in files: as ITK reads and writes them, and those of other programs.

A NIfTI file of vectors does not say by its shape what they are. Its intent does: ITK, ANTs and AFNI
store displacements in LPS millimetres, SPM the positions to which voxels go, and NiftyReg either.
Those of FSL and VoxelMorph do not say what they are: `quicksilver.io.warps` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import nifti
from quicksilver.io.headers import FARTHEST, is_oblique
from quicksilver.io.vectors import Meaning, find_meaning, find_positions
from quicksilver.io.voxels import make_grid
from quicksilver.transforms.field import LPS, WorldField

AFNI = 4
"""Code of the extension that AFNI adds to the headers of its files."""


def write_field(path: str | os.PathLike[str], field: WorldField) -> None:
    """Write a field as ITK reads it: (X, Y, Z, 1, 3), of slices (X, Y, 1, 1, 2), intent vector
    (1007), LPS millimetres.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    vectors = field.vectors[0].permute(1, 2, 3, 0).cpu().numpy() * LPS
    shown = vectors[:, :, :, None, : field.grid.dims]
    nifti.save(path, shown, field.grid.affine, intent="vector")


def read_field(path: str | os.PathLike[str]) -> WorldField:
    """Read a displacement field of ours, ITK, ANTs or AFNI, or a deformation of SPM or NiftyReg.

    Raises:
        QuicksilverError: The file is missing, or holds no finite displacement field, or vectors
            that are none: velocities, coefficients, positions of an unknown program.
    """
    stored = nifti.read(path)
    if stored.header is None:
        raise _no_field(path, "another format than NIfTI")
    try:
        meaning = find_meaning(stored.header, stored.array.shape)
    except ValueError as error:
        raise _no_field(path, str(error)) from error
    grid = make_grid(stored.array.shape, stored.affine, planar=True)
    if grid is None or stored.array.shape[3:] != (1, grid.dims):
        raise _no_field(path, f"the shape {stored.array.shape}")
    if grid.planar:
        return make_field(_embed_displacements(stored.array[:, :, :, 0], meaning, path), grid, path)
    if is_oblique(grid.affine) and AFNI in stored.header.extensions.get_codes():
        raise _no_field(path, "a warp of AFNI on an oblique grid, whose turn AFNI does not see")
    vectors = _TO_DISPLACEMENT[meaning](stored.array[:, :, :, 0], grid)
    field = make_field(vectors, grid, path)
    seems = find_positions(stored.array[:, :, :, 0], grid) if meaning is Meaning.LPS_MM else None
    if seems is not None:
        raise _no_field(path, f"what seems to be {seems}")
    return field


def _embed_displacements(
    vectors: np.ndarray, meaning: Meaning, path: str | os.PathLike[str]
) -> np.ndarray:
    """Return ITK's displacements (X, Y, 1, 2) of a slice as (X, Y, 1, 3), RAS millimetres."""
    if meaning is not Meaning.LPS_MM:
        raise _no_field(path, f"two-dimensional {meaning.value}")
    return np.pad(vectors, ((0, 0), (0, 0), (0, 0), (0, 1))) * LPS


def make_field(vectors: np.ndarray, grid: Grid, path: str | os.PathLike[str]) -> WorldField:
    """Make a field of displacements (X, Y, Z, 3), RAS millimetres, that were read from a file.

    Raises:
        QuicksilverError: Some are not finite, or farther than any image.
    """
    largest = np.abs(vectors).max()
    if not largest < FARTHEST:  # so that NaN is not, either
        found = f"{largest:.3g} mm" if np.isfinite(largest) else "NaN or infinity"
        raise QuicksilverError(
            f"expected a finite displacement field in {path}, found {found}; write it again"
        )
    moved = np.ascontiguousarray(vectors.transpose(3, 0, 1, 2), dtype=np.float32)
    return WorldField(torch.from_numpy(moved)[None], grid)


def _subtract_positions(positions: np.ndarray, grid: Grid) -> np.ndarray:
    return positions - grid.positions()


_TO_DISPLACEMENT: dict[Meaning, Callable[[np.ndarray, Grid], np.ndarray]] = {
    Meaning.LPS_MM: lambda vectors, _: vectors * LPS,
    Meaning.RAS_MM: lambda vectors, _: vectors,
    Meaning.RAS_POSITIONS: _subtract_positions,
}


def _no_field(path: str | os.PathLike[str], found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected a displacement field (X, Y, Z, 1, 3) in {path}, found {found}; give one that "
        "ITK, ANTs or `quicksilver register` wrote, or a deformation of SPM or NiftyReg"
    )
