"""A pair of images made ready for matching: in one world, on one working grid, scaled alike.

The moving image is placed into the target's world by an affine A, which takes a point of the target
to the matching point of the moving image; its header changes, its voxels do not. On the working grid
a geodesic then gives psi and phi. What leaves the program is composed: x -> A(psi(x)) from the target
to the moving image's own world, y -> phi(A^-1 y) back, so that images are interpolated once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from quicksilver.images.image import Grid, Image
from quicksilver.images.intensity import Intensity, match_histogram, normalise
from quicksilver.images.resampling import resample, working_grid
from quicksilver.io.records import Record
from quicksilver.runtime.devices import require_memory
from quicksilver.transforms.field import WorldField, affine_field, carry, turn

PREDICTING = 450.0
"""Bytes per voxel of the working grid at the peak of a prediction: 310 to 375 were measured."""

WRITING = 80.0
"""Bytes per voxel of the images for their displacements on the way into files, and for what reports show."""


@dataclass(frozen=True)
class Placement(Record):
    """How the working grid and two images lie to each other, (4, 4) in RAS millimetres.

    affine: from the target's points to the moving image's. frame: from the frame whose axes and
    millimetres the working grid has (a template's, in which the networks were trained) to the
    target's points. affine_similarity, already_aligned, template_similarity: how they were
    found, None where they were given. notes: what a user must know.
    """

    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    frame: np.ndarray = field(default_factory=lambda: np.eye(4))
    affine_similarity: float | None = None
    already_aligned: bool | None = None
    template_similarity: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two images: normalised on the working grid, (1, 1, X, Y, Z), and as they were read.

    The grid is given in the target's world.
    """

    grid: Grid
    moving: Tensor
    target: Tensor
    moving_image: Image
    target_image: Image
    placement: Placement = field(default_factory=Placement)

    @property
    def placed(self) -> Image:
        """The moving image in the target's world, by the affine alone."""
        return self.moving_image.moved(self.placement.affine)

    def beyond_affine(self, psi: Tensor) -> Tensor:
        """What a displacement psi in voxels of the working grid adds to the affine map there, in mm
        along the axes R, A and S of the moving image's world."""
        return turn(self.placement.affine[:3, :3] @ self.grid.affine[:3, :3], psi)

    def before_affine(self, phi: Tensor) -> Tensor:
        """The displacement phi in mm along R, A and S of the target's world."""
        return turn(self.grid.affine[:3, :3], phi)

    def forward(self, beyond: Tensor, grid: Grid | None = None) -> WorldField:
        """x -> A(psi(x)) on a grid, the target's where None, from `beyond_affine` of psi."""
        grid = grid or self.target_image.grid
        start = affine_field(self.placement.affine, grid, beyond.device)
        return WorldField(start.vectors + carry(beyond, self.grid, grid), grid)

    def backward(self, before: Tensor) -> WorldField:
        """y -> phi(A^-1 y) on the moving image's grid, from `before_affine` of phi."""
        own = self.moving_image.grid
        start = affine_field(np.linalg.inv(self.placement.affine), own, before.device)
        return WorldField(start.vectors + carry(before, self.grid, self.placed.grid), own)


def prepare(
    moving: Image,
    target: Image,
    spacing: float,
    device: torch.device | str = "cpu",
    intensity: Intensity = "percentile",
    placement: Placement | None = None,
    histogram_matching: bool = False,
    memory: float = PREDICTING,
) -> Pair:
    """Both images on their working grid at `spacing` mm of the frame, scaled by `images.normalise`.

    histogram_matching: whether the moving image's intensities are then given the target's
    distribution. memory: bytes per voxel that will be needed.
    Raises QuicksilverError where the images, so placed, do not overlap or memory is not enough.
    """
    placement = placement or Placement()
    placed = moving.moved(placement.affine)
    grid = working_grid(placed, target, spacing, frame=placement.frame)
    _require_memory(grid, moving, target, memory, torch.device(device))
    first, second = (
        normalise(resample(image, grid, device=device), intensity) for image in (placed, target)
    )
    if histogram_matching:
        first = match_histogram(first, second)
    return Pair(grid, first, second, moving, target, placement)


def fitting_memory(steps: int) -> float:
    """Bytes per voxel of the working grid at the peak of LDDMM matching, by steps of the geodesic:
    of 10 steps 800 were measured, nearly all of it the states that the adjoint needs."""
    return 200.0 + 70.0 * steps


def _require_memory(
    grid: Grid, moving: Image, target: Image, memory: float, device: torch.device
) -> None:
    voxels = float(np.prod(grid.shape))
    needed = memory * voxels + WRITING * (moving.data.size + target.data.size)
    advice = (
        f"{voxels / 1e6:.1f} million voxels of {' x '.join(f'{h:.2g}' for h in grid.spacing)} mm are "
        "too many: crop the images to the brain, use a model of larger spacing, or "
        + ("--device cpu" if device.type == "cuda" else "a machine with more memory")
    )
    require_memory(needed, device, advice)
