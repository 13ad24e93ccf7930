"""Warps of FSL and VoxelMorph, whose files do not say what they are: who reads them does."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import nifti
from quicksilver.io.fields import make_field
from quicksilver.io.fsl import fsl_to_world
from quicksilver.io.vectors import FSL, find_positions, thin_out, vary_alike
from quicksilver.transforms.field import WorldField

KINDS = ("fsl-rel", "fsl-abs", "voxelmorph")
"""What a warp may be said to be: FSL's displacements or positions, in its coordinates of both
images, or VoxelMorph's displacements in voxels.
"""

INTENTS = {"fsl": (0, 2006), "voxelmorph": (0, 1006, 1007)}
"""Codes that the files of a program have: none, displacements, vectors."""


def read_warp(path: str | os.PathLike[str], kind: str, moving: Grid | None) -> WorldField:
    """Read a warp of FSL or VoxelMorph, from the target's points to the moving image's.

    Args:
        path: A NIfTI file (X, Y, Z, 3) on the target's grid; of VoxelMorph also (3, X, Y, Z), as
            its version for PyTorch writes.
        kind: One of `KINDS`.
        moving: Grid of the moving image, on which FSL's coordinates depend; VoxelMorph's has to be
            the target's.

    Raises:
        QuicksilverError: The file is missing or no such warp, the moving image's grid is missing or
            another, or the values are those of another kind.
    """
    stored = nifti.read(path)
    try:
        vectors = _get_vectors(stored.array, stored.header, kind)
        x, y, z = vectors.shape[:3]
        grid = Grid((x, y, z), stored.affine)
        if kind == "voxelmorph":
            displacements = _from_voxelmorph(vectors, grid, moving)
        else:
            displacements = _from_fsl(vectors, grid, moving, kind)
    except ValueError as error:
        raise QuicksilverError(
            f"expected a warp {kind} in {path}, found {error}; name it what it is, "
            f"one of {', '.join(KINDS)}, or export it again"
        ) from error
    return make_field(displacements, grid, path)


def _get_vectors(array: np.ndarray, header: Any, kind: str) -> np.ndarray:
    """Return the vectors (X, Y, Z, 3) of a file in double precision."""
    if header is None:
        raise ValueError("another format than NIfTI")
    code = int(header["intent_code"])
    if code not in INTENTS[kind.split("-")[0]]:
        raise ValueError(FSL.get(code, f"the intent {code}"))
    shape = array.shape
    if kind == "voxelmorph" and len(shape) == 4 and shape[0] == 3 != shape[3]:
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 4 or array.shape[3] != 3 or min(array.shape) < 2:
        raise ValueError(f"the shape {shape} instead of (X, Y, Z, 3)")
    if not np.isfinite(array).all():
        raise ValueError("NaN or infinity")
    return array.astype(np.float64)


def _from_voxelmorph(vectors: np.ndarray, grid: Grid, moving: Grid | None) -> np.ndarray:
    if moving is not None and not moving.matches(grid):
        raise ValueError("a moving image that is not on the warp's grid, as VoxelMorph needs it")
    seems = find_positions(vectors, grid)
    if seems is not None:
        raise ValueError(f"what seems to be {seems}")
    displacements: np.ndarray = vectors @ grid.affine[:3, :3].T
    return displacements


def _from_fsl(vectors: np.ndarray, grid: Grid, moving: Grid | None, kind: str) -> np.ndarray:
    if moving is None:
        raise ValueError(
            "no moving image, without which it means nothing: INPUT, or for points --points-image "
            "and --reference"
        )
    here, there = np.linalg.inv(fsl_to_world(grid)), fsl_to_world(moving)

    def move(kind: str, start: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return where points (..., 3) of the target go, both RAS millimetres."""
        begin = start @ here[:3, :3].T + here[:3, 3] if kind == "fsl-rel" else 0
        moved: np.ndarray = (begin + vectors) @ there[:3, :3].T + there[:3, 3]
        return moved

    start, step = grid.positions(), thin_out(grid)
    some = start[step].reshape(-1, 3)
    likely = [
        each
        for each in ("fsl-rel", "fsl-abs")
        if vary_alike(move(each, some, vectors[step].reshape(-1, 3)), some)
    ]
    if likely and kind not in likely:
        raise ValueError(f"what seems to be {likely[0]}")
    return move(kind, start, vectors) - start
