"""The options of a fit: see `quicksilver.registration.options`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quicksilver.registration.option_fields import MANY, STEPS, shown
from quicksilver.registration.options import PairOptions

if TYPE_CHECKING:
    from quicksilver.lddmm.losses import Loss
    from quicksilver.lddmm.matching import FitSettings


@dataclass(frozen=True)
class FitOptions(PairOptions):
    """How two images are registered by optimisation.

    Args:
        spacing: Voxel size of the working grid in millimetres; None: 2 for volumes, 1 / 256 of the
            longest side for slices.
        loss: "ssd", "lncc", "mi" for contrasts that differ, or a function
            (`quicksilver.lddmm.losses`); None: what suits `method`.
        sigma: Standard deviation of the noise: the loss is weighted by 1 / (2 sigma^2). None: the
            loss's own.
        window: Edge of the windows of "lncc" in voxels, odd.
        steps: Time steps of the geodesic.
        iterations: Largest number of iterations, at half and at full resolution; of slices the
            first at a quarter, too.
        method: "lbfgs", or "quicksilver", the original's 50 equal steps at full resolution.
        step_size: Of "lbfgs": the change of the initial velocity, in voxels, that the first
            iteration on each level tries (it is halved while the energy does not fall) and that no
            later one exceeds; of "quicksilver": what multiplies the gradient in every step. None:
            0.5 and 4e-6.
        alpha: Weight of the Laplacian in the metric's operator L = -alpha Laplacian - beta grad div
            + gamma, in voxels of the working grid (`quicksilver_ext.FluidMetric`), of slices in
            1 / 85 of the longest side, which is 2 mm of a brain.
        beta: Weight of the gradient of the divergence.
        gamma: Weight of the identity.
        settings: All settings of the fit at once, in place of `loss` to `step_size`.
        state: A file in which the fit is saved about every minute and from which it resumes.
    """

    spacing: float | None = field(
        default=None,
        metadata=shown(
            "Voxel size of the working grid, mm; 2 by default, of slices 1/256 of their longest "
            "side.",
            float | None,
            minimum=1e-6,
            maximum=1e6,
        ),
    )
    loss: Literal["ssd", "lncc", "mi"] | Loss | None = field(
        default=None,
        metadata=shown(
            "Image dissimilarity: lncc by default, ssd with --method quicksilver; mi for contrasts "
            "that differ.",
            Literal["ssd", "lncc", "mi"] | None,
        ),
    )
    sigma: float | None = field(
        default=None,
        metadata=shown(
            "Noise level: the loss is weighted by 1 / (2 sigma^2).",
            float | None,
            minimum=1e-6,
            maximum=1e6,
        ),
    )
    window: int = field(
        default=5, metadata=shown("Window of lncc in voxels, an odd number.", minimum=3, maximum=99)
    )
    steps: int = field(
        default=10, metadata=shown("Time steps of the geodesic.", minimum=1, maximum=STEPS)
    )
    iterations: tuple[int, int] = field(
        default=(20, 15),
        metadata=shown(
            "Maximum number of iterations at half and at full resolution.",
            tuple[int, int],
            minimum=0,
            maximum=MANY,
        ),
    )
    method: Literal["lbfgs", "quicksilver"] = field(
        default="lbfgs",
        metadata=shown(
            "quicksilver: the original's 50 equal steps, whatever --iterations.",
            Literal["lbfgs", "quicksilver"],
        ),
    )
    step_size: float | None = field(
        default=None,
        metadata=shown(
            "lbfgs: first and largest change of the velocity by an iteration, voxels (0.5); "
            "quicksilver: factor of the gradient (4e-6).",
            float | None,
            minimum=1e-12,
            maximum=1e3,
        ),
    )
    alpha: float = field(
        default=0.01,
        metadata=shown("Weight of the metric's Laplacian, voxels.", minimum=1e-9, maximum=1e6),
    )
    beta: float = field(
        default=0.01,
        metadata=shown("Weight of its gradient of the divergence.", minimum=0.0, maximum=1e6),
    )
    gamma: float = field(
        default=0.001, metadata=shown("Weight of its identity.", minimum=1e-9, maximum=1e6)
    )
    settings: FitSettings | None = None
    state: str | os.PathLike[str] | None = field(
        default=None, metadata=shown("Checkpoint to resume from (two images only).", Path | None)
    )
