"""A pair of images made ready for matching: in one world, on one working grid, scaled alike.

The moving image is placed into the target's world by an affine A, which takes a point of the target
to the matching point of the moving image; its header changes, its voxels do not. On the working
grid a geodesic then gives psi and phi. What leaves the program is composed: x -> A(psi(x)) from the
target to the moving image's own world, y -> phi(A^-1 y) back, so that images are interpolated once.
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
from quicksilver.transforms.field import WorldField, affine_field, regrid, transform_vectors

PREDICTING = 450.0
"""Bytes per voxel of the working grid at the peak of a prediction (docs/register.md)."""

WRITING = 80.0
"""Bytes per voxel of the images for their displacements while files and reports are written."""


@dataclass(frozen=True)
class Placement(Record):
    """How the working grid and two images lie to each other.

    Args:
        affine: (4, 4), from the target's points to the moving image's, RAS millimetres.
        frame: (4, 4), from the frame whose axes and millimetres the working grid has (a template's,
            in which the networks were trained) to the target's points.
        affine_similarity: Similarity of the images so aligned; None: the affine was given.
        already_aligned: Whether the images were aligned already.
        template_similarity: Similarity of the target to the template.
        notes: What a user should know, in sentences.
    """

    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    frame: np.ndarray = field(default_factory=lambda: np.eye(4))
    affine_similarity: float | None = None
    already_aligned: bool | None = None
    template_similarity: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two images, on the working grid and as they were read.

    Args:
        grid: The working grid, in the target's world.
        moving: (1, 1, X, Y, Z), normalised, on the working grid.
        target: Likewise.
        moving_image: As it was read.
        target_image: As it was read.
        placement: How they lie to each other.
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
        return self.moving_image.reframe(self.placement.affine)

    def beyond_affine(self, psi: Tensor) -> Tensor:
        """Return what psi, in voxels of the working grid, adds to the affine map, in mm of the
        moving world.
        """
        return transform_vectors(self.placement.affine[:3, :3] @ self.grid.affine[:3, :3], psi)

    def before_affine(self, phi: Tensor) -> Tensor:
        """Return the displacement phi in mm along R, A and S of the target's world."""
        return transform_vectors(self.grid.affine[:3, :3], phi)

    def forward(self, beyond: Tensor, grid: Grid | None = None) -> WorldField:
        """Compose x -> A(psi(x)) on a grid from `beyond_affine` of psi; None: the target's grid."""
        grid = grid or self.target_image.grid
        start = affine_field(self.placement.affine, grid, beyond.device)
        return WorldField(start.vectors + regrid(beyond, self.grid, grid), grid)

    def backward(self, before: Tensor) -> WorldField:
        """Compose y -> phi(A^-1 y) on the moving image's grid from `before_affine` of phi."""
        own = self.moving_image.grid
        start = affine_field(np.linalg.inv(self.placement.affine), own, before.device)
        return WorldField(start.vectors + regrid(before, self.grid, self.placed.grid), own)


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
    """Resample two images onto their working grid and scale their intensities.

    Args:
        moving: Image that is deformed.
        target: Image that it is brought to.
        spacing: Voxel size in mm of the frame.
        device: Device of the result.
        intensity: How `normalise` scales them.
        placement: How they lie to each other; None: in one world already.
        histogram_matching: Whether the moving image then gets the target's distribution.
        memory: Bytes per voxel that will be needed.

    Raises:
        QuicksilverError: The images, so placed, do not overlap, or memory is not enough.
    """
    placement = placement or Placement()
    placed = moving.reframe(placement.affine)
    grid = working_grid(placed, target, spacing, frame=placement.frame)
    _require_memory(grid, moving, target, memory, torch.device(device))
    first, second = (
        normalise(resample(image, grid, device=device), intensity) for image in (placed, target)
    )
    if histogram_matching:
        first = match_histogram(first, second)
    return Pair(grid, first, second, moving, target, placement)


def fitting_memory(steps: int) -> float:
    """Return the bytes per voxel of the working grid at the peak of LDDMM matching, by time steps.

    Nearly all of it are the states that the adjoint needs.
    """
    return 200.0 + 70.0 * steps


def _require_memory(
    grid: Grid, moving: Image, target: Image, memory: float, device: torch.device
) -> None:
    voxels = float(np.prod(grid.shape))
    needed = memory * voxels + WRITING * (moving.data.size + target.data.size)
    advice = (
        f"{voxels / 1e6:.1f} million voxels of {' x '.join(f'{h:.2g}' for h in grid.spacing)} mm "
        "are too many: crop the images to the brain, use a model of larger spacing, or "
        + ("--device cpu" if device.type == "cuda" else "a machine with more memory")
    )
    require_memory(needed, device, advice)
