"""Register two images by LDDMM matching, and refine predicted momenta by it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Grid, Image, measure_longest_side
from quicksilver.images.plane import embed
from quicksilver.lddmm.losses import make_loss
from quicksilver.lddmm.matching import QUICKSILVER, FitSettings, fit
from quicksilver.lddmm.metric import pad_metric
from quicksilver.lddmm.unfolding import unfold
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.pair import Pair, Placement, fitting_memory, prepare
from quicksilver.registration.result import Registration, judge_registration
from quicksilver.runtime.devices import pick_device
from quicksilver.runtime.stages import Detail, Stages, Tell

SPACING = 2.0
"""Voxel size, mm, of the working grid of volumes."""

ACROSS = 256
"""Voxels of the working grid along the longest side of a slice (docs/slices.md)."""


def optimise(
    moving: Image,
    target: Image,
    options: FitOptions,
    placement: Placement | None = None,
    stages: Stages | None = None,
) -> Registration:
    """Register by LDDMM matching (`quicksilver.lddmm.matching.fit`): slow, and what networks learn
    from.

    Args:
        moving: Image that is deformed.
        target: Image that it is brought to.
        options: Spacing, device, loss ...; what says how images are read is not looked at.
        placement: Where the images lie to each other; None: in one world already.
        stages: Measures the stages; None: new ones, whose progress `options` are told.

    Raises:
        QuicksilverError: The images do not overlap.
    """
    device = pick_device(options.device)
    stages = stages or Stages(options.progress, device)
    settings, metric = fit_settings(options), fit_metric(options)
    if target.grid.planar:
        settings = _add_level(settings, options)
    with stages("prepare"):
        pair = prepare(
            moving,
            target,
            choose_spacing(target, options.spacing),
            device,
            "equalised" if options.equalise else "percentile",
            placement=placement,
            histogram_matching=options.histogram_matching,
            memory=fitting_memory(settings.steps),
        )
    if target.grid.planar:
        metric = _scale_metric(metric, pair.grid)
    with stages("fit") as tell:
        fitted = fit(
            pair.images,
            metric,
            settings,
            state=None if options.state is None else Path(options.state),
            progress=partial(_tell_energy, tell, settings),
        )
    with torch.no_grad():
        with stages("shoot"):
            shoot = partial(qs.shoot, metric=metric, steps=settings.steps, check=False)
            last = unfold(fitted.momentum, shoot)
        return judge_registration(
            pair, last.map(embed), settings, metric, stages, iterations=fitted.energies[0]
        )


def choose_spacing(target: Image, wanted: float | None) -> float:
    """Return the voxel size of the working grid in mm: what is wanted, 2 mm for brains, or what
    divides the longest side of a slice by `ACROSS`.
    """
    if wanted is not None or not target.grid.planar:
        return wanted or SPACING
    return max(measure_longest_side(target) / ACROSS, float(target.grid.spacing.min()))


def _scale_metric(metric: qs.FluidMetric, grid: Grid) -> qs.FluidMetric:
    """Return the metric of a slice, as smooth as that of brains is in voxels of `SPACING`."""
    voxel = float(grid.spacing[0]) / (SPACING * grid.scale)
    pad = metric.pad if isinstance(metric.pad, str) else math.ceil(metric.pad / voxel)
    return replace(metric, spacing=(voxel, voxel), pad=pad)


def _add_level(settings: FitSettings, options: FitOptions) -> FitSettings:
    """Return the settings for a slice, whose voxels are finer: with one more, coarser level."""
    if options.settings is not None or options.method == "quicksilver":
        return settings
    coarse, fine = settings.iterations
    return replace(settings, levels=(4, 2, 1), iterations=(coarse, coarse, fine))


def fit_settings(options: FitOptions) -> FitSettings:
    """Return the settings of the fit that options describe.

    Example:
        >>> fit_settings(FitOptions(method="quicksilver", sigma=0.3)).loss
        SSD(sigma=0.3)
    """
    if options.settings is not None:
        return options.settings
    original = options.method == "quicksilver"
    loss = options.loss or ("ssd" if original else "lncc")
    return replace(
        QUICKSILVER if original else FitSettings(iterations=options.iterations),
        loss=make_loss(loss, options.sigma, options.window) if isinstance(loss, str) else loss,
        steps=options.steps,
        step_size=options.step_size,
    )


def fit_metric(options: FitOptions) -> qs.FluidMetric:
    """Return the metric of the fit that options describe, in voxels of its grid.

    Example:
        >>> fit_metric(FitOptions(gamma=0.01)).gamma
        0.01
    """
    return pad_metric(qs.FluidMetric(options.alpha, options.beta, options.gamma))


def refine_momentum(
    pair: Pair, momentum: Tensor, metric: qs.FluidMetric, steps: int, iterations: int, tell: Tell
) -> Tensor:
    """Return the momentum after so many iterations of LDDMM matching at full resolution."""
    settings = FitSettings(steps=steps, levels=(1,), iterations=(iterations,))
    images = pair.images
    report = partial(_tell_energy, tell, settings)
    return fit(images, metric, settings, start=momentum, progress=report).momentum


def _tell_energy(
    tell: Tell, settings: FitSettings, _: int, level: int, iteration: int, energy: float
) -> None:
    words = f"level {level}, iteration {iteration}, energy {energy:.5g}"
    tell(Detail(words, settings.part_done(level, iteration)))
