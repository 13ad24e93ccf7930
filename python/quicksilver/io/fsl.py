"""FSL's coordinates, and the matrices of FLIRT, which lie in them."""

from __future__ import annotations

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.io.freesurfer import parse_numbers


def parse_flirt(text: str) -> np.ndarray:
    """Return a matrix (4, 4) of FLIRT, from FSL's coordinates of the moving image to the target's.

    Raises:
        ValueError: The text is no such matrix.
    """
    matrix = parse_numbers(text)
    if matrix.shape != (4, 4) or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise ValueError("neither a known format nor 4 x 4 numbers ending in 0 0 0 1")
    return matrix


def fsl_to_world(grid: Grid) -> np.ndarray:
    """Return the map from FSL's coordinates of an image, millimetres along its axes, to RAS
    millimetres.

    FSL counts the first axis from its end where voxels are right-handed, so that its coordinates
    are always left-handed.
    """
    voxels = np.diag([*(1 / grid.spacing), 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        voxels[0] = -voxels[0]
        voxels[0, 3] = grid.shape[0] - 1
    return grid.affine @ voxels
