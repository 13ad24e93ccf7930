"""What the vectors of a NIfTI file mean, by its intent or, without one, by their values."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from quicksilver.images.image import Grid


class Meaning(Enum):
    """What vectors are: displacements along other axes, or positions, in the moving space."""

    LPS_MM = "displacements of ITK"
    RAS_MM = "displacements in RAS mm"
    RAS_POSITIONS = "positions in RAS mm"


NIFTYREG: dict[int, Meaning | str] = {
    0: Meaning.RAS_POSITIONS,
    1: Meaning.RAS_MM,
    2: "a cubic spline of NiftyReg",
    3: "a velocity field of NiftyReg",
    4: "a velocity field of NiftyReg",
    5: "a spline of velocities of NiftyReg",
    6: "a linear spline of NiftyReg",
}
"""What NiftyReg stores, by the first parameter of its intent."""

FSL: dict[int, str] = {
    2006: "a warp of FSL, which does not say whether it is relative or absolute "
    "(--transform fsl-rel:FILE or fsl-abs:FILE does)",
    2007: "cubic spline coefficients of FSL",
    2008: "cosine coefficients of FSL",
    2009: "quadratic spline coefficients of FSL",
}
"""What FSL stores, by its intent."""

SAME = 0.8
"""Distance from the identity (Frobenius) of the slope of vectors over positions, below which they
are positions themselves: the slope of displacements is near zero, at a distance of 1.7.
"""


def find_meaning(header: Any, shape: tuple[int, ...]) -> Meaning:
    """Tell by the header of a file what its vectors mean.

    Raises:
        ValueError: They are no displacements and no positions; says what they are.
    """
    code = int(header["intent_code"])
    name = header["intent_name"].item().decode("latin-1").strip()
    if code in FSL:
        raise ValueError(FSL[code])
    if name == "NREG_TRANS":
        kind = NIFTYREG.get(int(header["intent_p1"]), "an unknown transform of NiftyReg")
        if isinstance(kind, str):
            raise ValueError(f"{kind}; `reg_transform -def` makes a deformation of it")
        return kind
    if name.startswith("NREG"):
        raise ValueError(f"an older transform of NiftyReg ({name})")
    if name == "Mapping":
        return Meaning.RAS_POSITIONS
    if name.lower().startswith("velocity"):
        raise ValueError(f"velocities ({name})")
    if len(shape) == 4 and shape[3] == 3:
        raise ValueError(
            f"the shape {shape}, as VoxelMorph and others write displacements in voxels "
            "(--transform voxelmorph:FILE says that it did)"
        )
    return Meaning.LPS_MM


def find_positions(vectors: np.ndarray, grid: Grid) -> str | None:
    """Say as which positions vectors (X, Y, Z, 3) vary; None: they do not vary as positions.

    Along a deformation, positions change by about as much as the voxel does; displacements change
    by what differs between the brains, which is far less.
    """
    step = thin_out(grid)
    world = grid.positions()[step].reshape(-1, 3)
    index = np.moveaxis(np.indices(grid.shape), 0, -1)[step].reshape(-1, 3)
    values = vectors[step].reshape(-1, 3).astype(np.float64)
    for coordinates, name in (
        (world, "positions in RAS mm, not displacements"),
        (world * [-1, -1, 1], "positions in LPS mm, not displacements"),
        (index, "positions in voxels, not displacements"),
    ):
        if vary_alike(values, coordinates):
            return name
    return None


def thin_out(grid: Grid) -> tuple[slice, ...]:
    """Return the places of some voxels of a grid, which are enough to see how vectors vary."""
    return tuple(slice(None, None, max(1, size // 24)) for size in grid.shape)


def vary_alike(values: np.ndarray, coordinates: np.ndarray) -> bool:
    """Tell whether values (N, 3) change by about as much as coordinates (N, 3) do."""
    centred = coordinates - coordinates.mean(axis=0)
    slope, *_ = np.linalg.lstsq(centred, values - values.mean(axis=0), rcond=None)
    return bool(np.linalg.norm(slope - np.eye(3)) < SAME)
