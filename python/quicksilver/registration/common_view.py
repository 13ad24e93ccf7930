"""The part of a brain that both images of a pair show: all that a registration can know of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.field_of_view import FieldOfView
from quicksilver.images.image import Grid

THINNEST = 10.0
"""Millimetres that both images must show (docs/register.md)."""

THIN = 20.0
"""Millimetres below which a registration has to be checked."""

COVERED = 0.98
"""Part of the target's brain: if more is covered, what is missing is a margin."""


@dataclass(frozen=True)
class CommonView:
    """Where both images of a pair show something.

    Args:
        mask: (1, 1, X, Y, Z) on the working grid, 1 inside and 0 outside.
        coverage: Part of the brain shown by the target that the moving image shows too, 0 to 1.
        thickness: Smallest extent of what both show, mm of a brain.
    """

    mask: Tensor
    coverage: float
    thickness: float

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, in sentences."""
        notes = []
        if self.coverage < COVERED:
            notes.append(
                f"the moving image shows {100 * self.coverage:.0f} % of the target's brain: beyond "
                "that the map is only continued"
            )
        if self.thickness < THIN:
            notes.append(
                f"the images have only {self.thickness:.0f} mm of the brain in common: check how "
                "they lie to each other"
            )
        return tuple(notes)


def find_common_view(
    moving: FieldOfView, target: FieldOfView, brain: Tensor, grid: Grid
) -> CommonView | None:
    """Find what two images in the world of a grid both show; None where both brains are whole.

    Args:
        moving: Field of view of the moving image.
        target: Field of view of the target.
        brain: Where the target's brain is on the grid, bool (1, 1, X, Y, Z), beyond its cuts too.
        grid: The working grid.

    Raises:
        QuicksilverError: They show too little in common to be registered.
    """
    if moving.whole and target.whole:
        return None
    ours, theirs = (view.mask(grid, brain.device) for view in (moving, target))
    both = ours & theirs
    shown, known = both & brain, theirs & brain
    coverage = int(shown.sum()) / max(int(known.sum()), 1)
    directions = [*moving.directions, *target.directions]
    thickness = _measure_thickness(shown, grid, directions) / grid.scale
    if thickness < THINNEST:
        raise QuicksilverError(
            f"expected images that have at least {THINNEST:.0f} mm of the brain in common, found "
            f"{thickness:.0f} mm; give images that show more of the same part"
        )
    return CommonView(both.float(), coverage, thickness)


def _measure_thickness(shown: Tensor, grid: Grid, directions: list[np.ndarray]) -> float:
    """Measure the smallest extent along some directions, mm."""
    voxels = torch.nonzero(shown[0, 0]).double().cpu().numpy()
    if not len(voxels):
        return 0.0
    points = voxels @ grid.affine[:3, :3].T
    return float(min(np.ptp(points @ each) for each in directions) + grid.spacing.mean())
