"""Register a brain to a copy deformed by a random geodesic, whose answer is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import quicksilver_ext as qs
from quicksilver.images.image import Image
from quicksilver.images.intensity import normalise
from quicksilver.images.resampling import make_working_grid, resample
from quicksilver.io.files import require_writable
from quicksilver.io.images import write_image
from quicksilver.lddmm.metric import pad_metric
from quicksilver.registration.evaluation import Spread, measure_spread
from quicksilver.registration.options import Options
from quicksilver.registration.placement import load_template
from quicksilver.registration.predict import register
from quicksilver.results.folder import save_registration
from quicksilver.runtime.stages import Progress
from quicksilver.training.synthesis import disturb, draw_geodesic
from quicksilver.transforms.field import WorldField

if TYPE_CHECKING:
    from quicksilver.networks.model import Model

LARGEST = 6.0  # voxels that the random geodesic moves the brain at most, to first order
DISTURBANCE = 0.5  # of contrast, bias, sharpness and noise; 1 is a wide range of real scanners


@dataclass(frozen=True)
class Puzzle:
    """Two images, and the displacement on the target's grid that warps one to the other."""

    moving: Image
    target: Image
    truth: WorldField


SPACING = 2.0  # mm, of the brain that is deformed


def make_brain() -> Image:
    """Return the template's brain on a coarser grid."""
    fine = load_template()
    grid = make_working_grid(fine, fine, SPACING)
    return Image(resample(fine, grid)[0, 0].numpy(), grid.affine)


def make_puzzle(moving: Image, seed: int = 0) -> Puzzle:
    """Deform an image by a random geodesic, change its contrast a little and add noise.

    >>> import numpy as np
    >>> ball = np.zeros((24, 24, 24), np.float32)
    >>> ball[6:18, 6:18, 6:18] = 100
    >>> make_puzzle(Image(ball, np.eye(4))).target.grid.shape
    (20, 20, 20)
    """
    generator = torch.Generator().manual_seed(seed)
    grid = make_working_grid(moving, moving, spacing=float(moving.grid.spacing.min()))
    image = normalise(resample(moving, grid))
    metric = pad_metric(qs.FluidMetric())
    _, psi, _ = draw_geodesic(image, metric, generator, largest=(LARGEST, LARGEST))
    target = disturb(qs.warp(image, psi), generator, DISTURBANCE)
    return Puzzle(
        moving, Image(target[0, 0].numpy(), grid.affine), WorldField.from_voxels(psi, grid)
    )


def run_demo(
    model: Model,
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make a puzzle, register it, and write the results and both images into `folder`.

    Returns:
        The content of result.json; its `error_mm` is the distance, inside the target's brain,
        between the known map and the identity (before) or the map that was found (after).
    """
    folder = Path(folder)
    require_writable(folder)
    if progress is not None:
        progress("make")
    made = make_puzzle(make_brain(), seed)
    found = register(made.moving, made.target, Options(model, device=device, progress=progress))
    about = {
        "command": "demo",
        "seed": seed,
        "error_mm": {k: v.to_json() for k, v in measure_errors(made, found.displacement).items()},
    }
    summary = save_registration(found, folder, about=about, progress=progress)
    write_image(folder / "moving.nii.gz", made.moving.data, made.moving.affine)
    write_image(folder / "target.nii.gz", made.target.data, made.target.affine)
    return summary


def measure_errors(made: Puzzle, found: WorldField) -> dict[str, Spread]:
    """Measure distances in mm to the known map, inside the target's brain, before and after."""
    inside = torch.from_numpy(made.target.data > 0)[None, None]
    left = found.vectors.cpu() - made.truth.vectors
    return {
        "before": measure_spread(made.truth.vectors, inside),
        "after": measure_spread(left, inside),
    }
