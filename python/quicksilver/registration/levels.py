"""Levels of a brain for the alignment: local contrast at several resolutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.field_of_view import FieldOfView
from quicksilver.images.filters import average, dilate
from quicksilver.images.image import Grid, Image, measure_longest_side
from quicksilver.images.intensity import normalise
from quicksilver.images.pyramid import downsample
from quicksilver.images.resampling import make_working_grid

SIZE = 84  # voxels of the finest level along the longest side of a brain: 2 mm for an adult's
FACTORS = (4, 2, 1)  # how much coarser each level is
MARGIN = 4  # voxels of the finest level around a brain
WINDOW = 7  # edge, in voxels, of the boxes in which contrast is normalised
NOISE = 0.03  # standard deviation, on the normalised scale, that counts as no contrast


@dataclass(frozen=True)
class Level:
    """A brain at one resolution.

    Args:
        channels: (1, 5, X, Y, Z): local contrast, where the brain is (0 or 1), and the gradient of
            the contrast.
        grid: Their grid.
        view: The part of the brain that the image shows.
    """

    channels: Tensor
    grid: Grid
    view: FieldOfView

    @classmethod
    def build(cls, fine: Tensor, grid: Grid, factor: int, view: FieldOfView) -> Level:
        """Make a level from a normalised image (1, 1, X, Y, Z) on a grid finer by `factor`."""
        image = downsample(fine, factor)
        contrast = _normalise_locally(image)
        brain = dilate((image > NOISE).float(), 1)
        channels = torch.cat([contrast, brain, qs.gradient(contrast).flatten(1, 2)], dim=1)
        return cls(channels, _coarsen_grid(grid, factor, (factor - 1) / 2), view)

    def subsample(self, stride: int) -> Level:
        """Keep every `stride`-th voxel along each axis."""
        some = self.channels[:, :, ::stride, ::stride, ::stride].contiguous()
        return Level(some, _coarsen_grid(self.grid, stride, 0), self.view)

    @cached_property
    def imaged(self) -> Tensor:
        """Where the image shows something, from 0 to 1, (X, Y, Z)."""
        shape, device = self.grid.shape, self.channels.device
        return self.view.weigh(self.grid.affine, shape, device)[0, 0]

    @cached_property
    def energy(self) -> float:
        """Squared contrast of all of the brain that the image shows, in mm3."""
        squares = self.channels[0, 0].square() * self.channels[0, 1] * self.imaged
        return float(squares.sum(dtype=torch.float64)) * self.grid.voxel_volume

    def find_points(self) -> np.ndarray:
        """Find the points (N, 3) of the brain that the image shows, RAS millimetres."""
        brain = self.channels[0, 1] * self.imaged >= 0.5
        voxels = brain.nonzero().double().cpu().numpy()
        points: np.ndarray = voxels @ self.grid.affine[:3, :3].T + self.grid.affine[:3, 3]
        return points

    def weigh_common_view(self, other: Level, matrices: np.ndarray) -> Tensor:
        """Weigh where both images show something, from 0 to 1 on this grid, (K, X, Y, Z).

        Args:
            other: The other image.
            matrices: (K, 4, 4), from this one's voxels to the other's.
        """
        shape, device = self.grid.shape, self.channels.device
        theirs = [other.view.weigh(other.grid.affine @ one, shape, device) for one in matrices]
        return self.imaged * torch.cat(theirs)[:, 0]


def build_levels(image: Image, device: torch.device | str = "cpu") -> list[Level]:
    """Make the levels of a skull-stripped image, coarsest first."""
    spacing = max(measure_longest_side(image) / SIZE, float(image.grid.spacing.min()))
    grid = make_working_grid(image, image, spacing, margin=MARGIN)
    view = FieldOfView.detect(image)
    fine = normalise(view.extend(image, grid, device))
    return [Level.build(fine, grid, factor, view) for factor in FACTORS]


def _coarsen_grid(grid: Grid, factor: int, first: float) -> Grid:
    """Return the grid of every `factor`-th voxel, the first at an index of the finer grid."""
    x, y, z = (-(-size // factor) for size in grid.shape)
    affine = grid.affine @ np.diag([factor, factor, factor, 1.0])
    affine[:3, 3] = grid.affine[:3] @ [first, first, 0 if grid.planar else first, 1.0]
    return Grid((x, y, z), affine)


def _normalise_locally(image: Tensor) -> Tensor:
    mean, squares = (average(each, WINDOW // 2, "constant") for each in (image, image * image))
    variance = (squares - mean * mean).clamp(min=0)
    return (image - mean) / (variance + NOISE**2).sqrt()
