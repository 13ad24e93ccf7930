"""Register two images by LDDMM matching, and refine predicted momenta by it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Image
from quicksilver.lddmm.matching import Images, Settings, fit
from quicksilver.lddmm.metric import isolated
from quicksilver.lddmm.unfolding import unfolded
from quicksilver.registration.pair import Pair, Placement, fitting_memory, prepare
from quicksilver.registration.result import Registration, judge_registration
from quicksilver.runtime.stages import Progress, Stages, Tell

if TYPE_CHECKING:
    pass


def refine_momentum(
    pair: Pair, momentum: Tensor, metric: qs.FluidMetric, steps: int, iterations: int, tell: Tell
) -> Tensor:
    """The momentum after so many more iterations of LDDMM matching at full resolution."""
    settings = Settings(steps=steps, levels=(1,), iterations=(iterations,))
    images = Images(pair.moving, pair.target)
    report = partial(_tell_energy, tell)
    return fit(images, metric, settings, start=momentum, progress=report).momentum


def _tell_energy(tell: Tell, _: int, level: int, iteration: int, energy: float) -> None:
    tell(f"level {level}, iteration {iteration}, energy {energy:.5g}")


def optimise(
    moving: Image,
    target: Image,
    *,
    spacing: float = 2.0,
    metric: qs.FluidMetric | None = None,
    settings: Settings | None = None,
    state: Path | None = None,
    device: torch.device | str = "cpu",
    placement: Placement | None = None,
    histogram_matching: bool = False,
    progress: Progress | None = None,
) -> Registration:
    """Register by LDDMM matching (`quicksilver.lddmm.matching.fit`): slow, and what the networks learn from.

    spacing: of the working grid, mm. metric: in its voxels, the shipped models' where None.
    settings, state: of the fit. placement: as `register` has it. Raises QuicksilverError where the images do not overlap.
    """
    stages = Stages(progress, device)
    metric = metric or isolated(qs.FluidMetric())
    settings = settings or Settings()
    with stages("prepare"):
        pair = prepare(
            moving,
            target,
            spacing,
            device,
            placement=placement,
            histogram_matching=histogram_matching,
            memory=fitting_memory(settings.steps),
        )
    with stages("fit") as tell:
        images = Images(pair.moving, pair.target)
        report = partial(_tell_energy, tell)
        fitted = fit(images, metric, settings, state=state, progress=report)
    with torch.no_grad():
        with stages("shoot"):
            last = unfolded(fitted.momentum, lambda m: qs.shoot(m, metric, steps=settings.steps))
        judged = judge_registration(pair, last, metric, settings.described(), stages)
    return replace(judged, energies={**judged.energies, "iterations": fitted.energies[0]})
