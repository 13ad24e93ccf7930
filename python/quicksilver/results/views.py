"""Resample everything that pictures of a registration show onto one fine grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

import quicksilver_ext as qs
from quicksilver.images.image import Grid, find_brain_box
from quicksilver.images.intensity import normalise
from quicksilver.images.resampling import resample
from quicksilver.transforms.field import WorldField, regrid

if TYPE_CHECKING:
    from quicksilver.registration.pair import Pair
    from quicksilver.registration.result import Registration

BORDER_MM = 5.0  # shown around the brains
FINEST = 768  # pixels along the longest side of a slice, at most


@dataclass(frozen=True)
class Views:
    """What pictures of a registration show, on one RAS grid; of slices on one LAS grid, on which
    pictures stand upright.

    Args:
        moving: (X, Y, Z), like the other arrays.
        target: The target.
        warped: The moving image on the target.
        field: (3, X, Y, Z), the displacement in voxels.
        jacobian: Its Jacobian determinant.
        deviation: Standard deviation of the samples in mm, over all components; None: no samples.
        spacing: Voxel size in mm.
        imaged: Where both images show something; None: everywhere.
        origin: World coordinates (R, A, S) in mm of the first voxel.
        scale: What a length that is meant for brains is multiplied by.
    """

    moving: np.ndarray
    target: np.ndarray
    warped: np.ndarray
    field: np.ndarray
    jacobian: np.ndarray
    deviation: np.ndarray | None
    spacing: float
    imaged: np.ndarray | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0

    @property
    def planar(self) -> bool:
        """Whether it shows slices."""
        return self.target.shape[2] == 1

    @property
    def largest_deviation(self) -> float:
        """The deviation in mm at the end of its scale: nearly the largest in the brain."""
        if self.deviation is None:
            return 0.0
        return max(float(np.percentile(self.deviation[self.target > 0], 99.5)), 0.01)


def make_views(registration: Registration) -> Views:
    """Resample a registration onto a fine RAS grid around both brains."""
    pair = registration.pair
    grid = _display_grid(pair)
    field = WorldField.from_voxels(registration.psi, pair.grid).onto(grid)
    determinant = qs.jacobian_determinant(registration.psi)
    moving, target = (
        normalise(resample(image, grid))[0, 0].numpy() for image in (pair.placed, pair.target_image)
    )
    weight, imaged = pair.weigh_common_view(registration.psi), None
    if weight is not None:
        imaged = regrid(weight, pair.grid, grid)[0, 0].cpu().numpy() > 0.5
    drawn, deviation = registration.uncertainty, None
    if drawn is not None:
        length = drawn.psi.variance.sum(dim=1, keepdim=True).sqrt()
        deviation = regrid(length, pair.grid, grid)[0, 0].cpu().numpy()
    return Views(
        moving=moving,
        target=target,
        warped=normalise(torch.from_numpy(field.warp(pair.placed).data)).numpy(),
        field=field.in_voxels()[0].cpu().numpy(),
        jacobian=regrid(determinant, pair.grid, grid)[0, 0].cpu().numpy(),
        deviation=deviation,
        spacing=float(grid.spacing[0]),
        imaged=imaged,
        origin=tuple(grid.affine[:3, 3].tolist()),
        scale=grid.scale,
    )


def _display_grid(pair: Pair) -> Grid:
    """Return a fine grid around both brains: RAS, of slices LAS."""
    low, high = find_brain_box(pair.placed, pair.target_image)
    own = pair.target_image.grid
    if own.planar:
        low, high = low - BORDER_MM * own.scale, high + BORDER_MM * own.scale
        spacing = max(float(own.spacing.min()), float((high - low).max()) / FINEST)
        x, y, _ = (int(count) for count in np.ceil((high - low) / spacing) + 1)
        affine = np.diag([-spacing, spacing, spacing, 1.0])
        affine[:2, 3] = high[0], low[1]
        return Grid((x, y, 1), affine)
    spacing = float(own.spacing.min().clip(1.0, 1.5))
    x, y, z = (int(count) for count in np.ceil((high - low + 2 * BORDER_MM) / spacing) + 1)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = low - BORDER_MM
    return Grid((x, y, z), affine)
