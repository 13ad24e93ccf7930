"""The mean shape of a group of images, seen from a template.

Every image i has a map from the template's points to its own, x -> B_i(phi_i(x)): an affine B_i
after a geodesic that starts in the template with the momentum m_i. Both parts have a mean in the
template's frame. That of the geodesics is the geodesic of the mean momentum, one step of gradient
descent to the Frechet mean under the LDDMM metric. That of the affines is the exponential of the
mean logarithm of their stretches S_i, where B_i = R_i S_i with a rotation R_i: how an image lies is
no shape and has no mean here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import polar
from torch import Tensor

from quicksilver.images.image import Grid, Image
from quicksilver.images.resampling import make_working_grid
from quicksilver.io import nifti
from quicksilver.io.affines import read_affine
from quicksilver.networks.model import ModelConfig
from quicksilver.registration.placement import align_with_template
from quicksilver.transforms.chain import Transform
from quicksilver.transforms.field import WorldField, regrid, transform_vectors

MARGIN = 8
"""Voxels around the template's brain on the grid on which the mean momentum is shot."""


@dataclass(frozen=True)
class Move:
    """How a template goes to the mean shape.

    Args:
        stretch: (4, 4), the mean stretch, from the template's points to the mean's.
        psi: The inverse of the geodesic of the mean momentum.
        phi: That geodesic.
    """

    stretch: np.ndarray
    psi: WorldField
    phi: WorldField

    def trace_back(self) -> list[Transform]:
        """Return the transforms from the mean's points to the template's."""
        return [
            Transform(np.linalg.inv(self.stretch), self.stretch, "the mean stretch"),
            Transform(self.psi, self.phi, "the mean geodesic"),
        ]

    def displace(self, grid: Grid) -> WorldField:
        """Return the displacement of the template's points, on its grid."""
        return self.phi.onto(grid).then_affine(self.stretch)


def find_move(template: Image, folders: Sequence[Path], config: ModelConfig) -> Move:
    """Find how a template goes to the mean of the images it was registered to.

    Args:
        template: The moving image of all registrations.
        folders: Folders of the registrations.
        config: Of the model that registered.
    """
    affines = [read_affine(folder / "affine.mat") for folder in folders]
    known = align_with_template(template)
    frame = known.matrix if known.convincing else np.eye(4)  # as of the pairs' working grids
    grid = make_working_grid(template, template, config.spacing, MARGIN, frame)
    total = torch.zeros((1, 3, *grid.shape))
    for folder, affine in zip(folders, affines, strict=True):
        total += read_momentum(folder / "momentum.nii.gz", affine, grid)
    psi, phi = config.shoot(total / len(folders))
    stretch = average_stretches([np.linalg.inv(affine) for affine in affines])
    return Move(
        fix_point(stretch, find_centre(template)),
        WorldField.from_voxels(psi, grid),
        WorldField.from_voxels(phi, grid),
    )


def read_momentum(path: Path, affine: np.ndarray, grid: Grid) -> Tensor:
    """Read a momentum (1, 3, X, Y, Z) of the template in voxels of a grid in its world.

    Args:
        path: Its file, whose grid lies in the image's world.
        affine: (4, 4), from the image's points to the template's.
        grid: The grid.
    """
    stored = nifti.read(path)
    values = torch.from_numpy(np.ascontiguousarray(stored.array.transpose(3, 0, 1, 2)))[None]
    x, y, z = stored.array.shape[:3]
    own = Grid((x, y, z), affine @ stored.affine)
    # A momentum is a covector: the slope of the template along the axes of its grid, times a(x).
    turn = grid.affine[:3, :3].T @ np.linalg.inv(own.affine[:3, :3]).T
    return regrid(transform_vectors(turn, values.float()), own, grid)


def average_stretches(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Average the stretches (3, 3) of affines (4, 4), without their rotations and translations.

    Example:
        >>> halves, doubles = np.diag([0.5, 1, 1, 1]), np.diag([2.0, 4, 1, 1])
        >>> average_stretches([halves, doubles]).round(6).tolist()
        [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """
    logarithms = [_map_values(polar(matrix[:3, :3])[1], np.log) for matrix in matrices]
    return _map_values(np.mean(logarithms, axis=0), np.exp)


def _map_values(symmetric: np.ndarray, function: np.ufunc) -> np.ndarray:
    """Apply a function to the eigenvalues of a symmetric matrix."""
    values, vectors = np.linalg.eigh(symmetric)
    mapped: np.ndarray = (vectors * function(values)) @ vectors.T
    return mapped


def fix_point(linear: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the affine (4, 4) with a linear part (3, 3) that leaves a point where it is."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre - linear @ centre
    return matrix


def find_centre(image: Image) -> np.ndarray:
    """Find the mean position (3,) of the voxels that are not zero, in RAS millimetres."""
    centre: np.ndarray = image.grid.positions()[image.data != 0].mean(axis=0)
    return centre
