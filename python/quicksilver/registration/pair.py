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

import quicksilver_ext as qs
from quicksilver.images.field_of_view import FieldOfView
from quicksilver.images.image import Grid, Image
from quicksilver.images.intensity import Intensity, match_histogram, normalise
from quicksilver.images.plane import flatten
from quicksilver.images.resampling import make_working_grid
from quicksilver.io.records import Record
from quicksilver.lddmm.energy import Images
from quicksilver.registration.common_view import CommonView, find_common_view
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
        in_part: Whether one of the images shows a part of its brain.
        mirror_gain: How much more alike the images are if one is mirrored; None: not measured.
        notes: What a user should know, in sentences.
    """

    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    frame: np.ndarray = field(default_factory=lambda: np.eye(4))
    affine_similarity: float | None = None
    already_aligned: bool | None = None
    template_similarity: float | None = None
    in_part: bool | None = None
    mirror_gain: float | None = None
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
        common: Where a brain is cut off, what both images show: both are 0 beyond; None: all.
    """

    grid: Grid
    moving: Tensor
    target: Tensor
    moving_image: Image
    target_image: Image
    placement: Placement = field(default_factory=Placement)
    common: CommonView | None = None

    @property
    def images(self) -> Images:
        """What is matched: both images, and masks of what both show where a brain is cut off; of
        slices (1, 1, X, Y).
        """
        mask = None if self.common is None else self.common.mask
        return Images(self.moving, self.target, mask, mask).map(flatten)

    def weigh_common_view(self, psi: Tensor) -> Tensor | None:
        """Weigh where the target and, warped by psi, the moving image show something; None:
        everywhere.
        """
        if self.common is None:
            return None
        return self.common.mask * qs.warp(self.common.mask, psi)

    @property
    def coverage(self) -> float:
        """Part of the target's brain that the moving image shows, 0 to 1."""
        return 1.0 if self.common is None else self.common.coverage

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of how the images lie and what they show, in sentences."""
        return self.placement.notes + (() if self.common is None else self.common.notes)

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
        QuicksilverError: The images, so placed, do not overlap, show too little of the same part of
            a brain, or memory is not enough.
    """
    placement = placement or Placement()
    placed = moving.reframe(placement.affine)
    grid = make_working_grid(placed, target, spacing, frame=placement.frame)
    _require_memory(grid, moving, target, memory, torch.device(device))
    views = FieldOfView.detect(placed), FieldOfView.detect(target)
    first, second = (
        view.extend(image, grid, device)
        for image, view in zip((placed, target), views, strict=True)
    )
    common = find_common_view(*views, second > 0, grid)
    if common is not None:
        first, second = first * common.mask, second * common.mask
    first, second = normalise(first, intensity), normalise(second, intensity)
    if histogram_matching:
        first = match_histogram(first, second)
    return Pair(grid, first, second, moving, target, placement, common)


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
