"""LDDMM matching: the initial momentum of the geodesic that best carries one image onto another.

The energy is that of `quicksilver.lddmm.energy`, over the voxels of the finest grid. Its gradient
is the exact discrete adjoint of `shoot`, by autograd. Slices are matched in two dimensions: images
(B, 1, X, Y), momenta (B, 2, X, Y).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import downsample, downsample_momentum, upsample_momentum
from quicksilver.io.records import Record
from quicksilver.lddmm.checkpoint import Checkpoint
from quicksilver.lddmm.energy import Images, kinetic_energy, mismatch
from quicksilver.lddmm.lbfgs import Descent, FixedStep, minimise
from quicksilver.lddmm.losses import LNCC, SSD, Loss
from quicksilver.lddmm.metric import coarsen_metric
from quicksilver.lddmm.unfolding import unfold
from quicksilver.transforms.folds import penalise_folds

FitProgress = Callable[[int, int, int, float], None]
"""Called as progress(pair, level, iteration, energy) after every iteration; level 0 is the
coarsest, iteration 0 its start."""


@dataclass(frozen=True)
class FitSettings(Record):
    """Settings of a fit.

    Args:
        loss: One of `quicksilver.lddmm.losses`, or a function like them.
        steps: Time steps of the geodesic.
        levels: How much coarser each level's grid is than the images', coarsest first.
        iterations: Largest number of iterations on each level.
        tolerance: A level ends when an iteration lowers the energy by less than this times its
            value.
        folding: Weight of the penalty of folds.
        descent: `Descent` (L-BFGS) or `FixedStep`.
        step_size: Of the descent, in its own unit; None: its own.
    """

    loss: Loss = field(default_factory=LNCC)
    steps: int = 10
    levels: Sequence[int] = (2, 1)
    iterations: Sequence[int] = (20, 15)
    tolerance: float = 3e-4
    folding: float = 100.0
    descent: type[Descent] = Descent
    step_size: float | None = None

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.iterations):
            raise ValueError(
                "FitSettings: levels and iterations must have one entry per level, found "
                f"{len(self.levels)} and {len(self.iterations)}; give as many of one as of the "
                "other"
            )

    def work(self) -> list[float]:
        """Return the largest number of iterations of every level, in those of the finest grid."""
        return [n / level**3 for n, level in zip(self.iterations, self.levels, strict=True)]

    def part_done(self, level: int, iteration: int) -> float:
        """Return the part of the work that is done, at least: a level may end before its last
        iteration.

        Example:
            >>> FitSettings(levels=(2, 1), iterations=(8, 3)).part_done(level=1, iteration=1)
            0.5
        """
        work = self.work()
        done = sum(work[:level]) + iteration / self.levels[level] ** 3
        return done / max(sum(work), done) if done > 0 else 0.0


QUICKSILVER = FitSettings(SSD(0.2), levels=(1,), iterations=(50,), folding=0.0, descent=FixedStep)
"""The original Quicksilver's scheme: 50 steps of one length from zero."""


@dataclass(frozen=True)
class Fit:
    """Fitted pairs.

    `energies[b][l][0]` is the energy of pair b at the start of level l, then comes one value per
    iteration. Energies of different levels are comparable: each is weighted by the volume of its
    voxels.

    Args:
        momentum: (B, 3, X, Y, Z) in voxels.
        energies: Energies of every pair and level, coarsest first.
    """

    momentum: Tensor
    energies: list[list[list[float]]]


def fit(
    images: Images,
    metric: qs.FluidMetric,
    settings: FitSettings | None = None,
    *,
    start: Tensor | None = None,
    state: Path | None = None,
    progress: FitProgress | None = None,
) -> Fit:
    """Fit the initial momenta of the geodesics from the moving images to the targets.

    A pair's fit does not depend on what else is in the batch, to rounding. Boundaries are those of
    `quicksilver_ext.shoot`. A few voxels of the maps may still fold: see
    `quicksilver.lddmm.unfolding`.

    Args:
        images: The pairs.
        metric: In voxels of the images' grid.
        settings: Of the fit.
        start: Momenta (B, 3, X, Y, Z) to start from; None: zero.
        state: File in which the fit is saved about every minute. A fit of the same images with the
            same settings resumes from it and gives what it would have given without a stop.
        progress: Called after every iteration.

    Example:
        >>> blob = torch.zeros(1, 1, 16, 16, 16); blob[..., 5:11, 5:11, 5:11] = 1
        >>> short = FitSettings(levels=(1,), iterations=(3,))
        >>> result = fit(Images(blob, blob.roll(1, 2)), qs.FluidMetric(), short)
        >>> (level,) = result.energies[0]
        >>> level[-1] < level[0]
        True
    """
    settings = settings or FitSettings()
    count, _, *shape = images.moving.shape
    momentum = images.moving.new_zeros(count, len(shape), *shape) if start is None else start
    saved = Checkpoint(state, [*images.given().values(), momentum], [metric, settings.to_json()])
    stop = saved.load()
    energies: list[list[list[float]]] = stop.energies if stop else [[] for _ in range(count)]
    for level in range(stop.level if stop else 0, len(settings.levels)):
        matching = Matching.at(images, metric, settings, settings.levels[level])
        descents = matching.descents(momentum, settings.iterations[level])
        if stop is not None and level == stop.level:
            for descent, known in zip(descents, stop.descents, strict=True):
                descent.resume(*known)
        report = partial(_report, saved, progress, level, energies, descents)
        minimise(matching.energies, descents, report)
        momentum = matching.momentum(descents, shape)
        energies = [[*before, d.energies] for before, d in zip(energies, descents, strict=True)]
    return Fit(momentum, energies)


def _report(
    saved: Checkpoint,
    progress: FitProgress | None,
    level: int,
    energies: list[list[list[float]]],
    descents: Sequence[Descent],
    moved: list[int],
) -> None:
    """Tell of the pairs that have moved, and save the state if it is time to."""
    for row in moved:
        iteration = len(descents[row].energies) - 1
        if progress is not None and iteration > 0:
            progress(row, level, iteration, descents[row].energies[-1])
    saved.save(level, energies, descents)


@dataclass(frozen=True)
class Matching:
    """The matching problems of one level, everything in voxels of that level.

    Args:
        images: Images of the level.
        metric: Metric of the level.
        settings: Of the fit.
        factor: How much coarser the level is than the finest grid.
    """

    images: Images
    metric: qs.FluidMetric
    settings: FitSettings
    factor: int = 1

    @staticmethod
    def at(images: Images, metric: qs.FluidMetric, settings: FitSettings, factor: int) -> Matching:
        """Make the problems of a level from images and a metric given on the finest grid."""
        coarse = images.map(partial(downsample, factor=factor))
        return Matching(coarse, coarsen_metric(metric, factor), settings, factor)

    def descents(self, momentum: Tensor, iterations: int) -> list[Descent]:
        """Start a descent for each of the momenta (B, 3, X, Y, Z) on the finest grid."""
        start = downsample_momentum(momentum, self.factor)
        if self.settings.folding > 0:
            # What another grid bears may fold this one, and out of folds, which it pays for, no
            # descent finds.
            start = unfold(start, self.shoot).momentum
        settings = self.settings
        options = self.metric, iterations, settings.tolerance, settings.step_size
        return [settings.descent(row, *options) for row in start.split(1)]

    def momentum(self, descents: Sequence[Descent], shape: Sequence[int]) -> Tensor:
        """Return the momenta that descents have reached, on the finest grid."""
        points = torch.cat([descent.point for descent in descents])
        return upsample_momentum(points, self.factor, shape)

    def shoot(self, momentum: Tensor) -> tuple[Tensor, Tensor]:
        """Shoot momenta in voxels of this level: psi and phi."""
        return qs.shoot(momentum, self.metric, steps=self.settings.steps, check=False)

    def energies(self, momentum: Tensor, rows: list[int]) -> Tensor:
        """Evaluate the energies (b,) of momenta (b, 3, X, Y, Z) for these rows of the images."""
        images = self.images.map(lambda image: image[rows])
        # As what uses the momentum shoots it: linear composition hides folds, and saves a tenth.
        psi, _ = self.shoot(momentum)
        energy = mismatch(images, self.settings.loss, psi) + kinetic_energy(momentum, self.metric)
        if self.settings.folding > 0:
            energy = energy + self.settings.folding * penalise_folds(psi)
        return self.factor ** (momentum.dim() - 2) * energy
