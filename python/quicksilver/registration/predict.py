"""Registration of two images: predict, shoot, correct, shoot; or fit, shoot.

All work happens in voxels of one grid (`quicksilver.registration.pair`). The maps are psi = phi^-1, which
carries the moving image to the target (``warp(moving, psi)``), and phi, which carries the target
back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image, brain_box
from quicksilver.images.pyramid import isolated
from quicksilver.lddmm.matching import Images, Settings, fit
from quicksilver.lddmm.unfolding import Unfolded, unfolded
from quicksilver.networks.dropout import Uncertainty, sample
from quicksilver.networks.inference import predicted_momentum
from quicksilver.registration.evaluation import inverse_consistency, log_jacobian_sd, spread
from quicksilver.registration.pair import PREDICTING, Pair, Placement, fitting_memory, prepare
from quicksilver.runtime.stages import Progress, Stages, Tell, peak_memory
from quicksilver.transforms.field import WorldField, carry, turn
from quicksilver.transforms.folds import count_folds

if TYPE_CHECKING:
    from quicksilver.networks.model import Model


WORSE = (
    "the images match worse than before: the model has not learned what such images want; refine its "
    "prediction (--refine 10) or fit"
)


@dataclass(frozen=True)
class Registration:
    """What a registration found.

    momentum, psi, phi: (1, 3, X, Y, Z) in voxels of the pair's grid. energies: kinetic,
    1/2 <m, K m>, and mismatch, |moving o psi - target|^2 before and after, as sums over the grid's
    voxels; a fit adds its energies per level and iteration. quality: folds, inverse consistency and
    the like, of psi. settings: what was asked for. seconds: per stage. memory_mb: the peak.
    uncertainty: of a registration by samples, which is the geodesic of their mean momentum.
    """

    pair: Pair
    momentum: Tensor
    psi: Tensor
    phi: Tensor
    energies: dict[str, Any]
    quality: dict[str, Any]
    settings: dict[str, Any]
    seconds: dict[str, float]
    memory_mb: float
    uncertainty: Uncertainty | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know of it."""
        worse = self.energies["mismatch_after"] > self.energies["mismatch_before"]
        return self.pair.placement.notes + (WORSE,) * worse

    def displacement(self, grid: Grid | None = None) -> WorldField:
        """Of the affine after phi^-1, on the target's grid or another of its world: what carries
        moving images over."""
        return self.pair.forward(self.pair.beyond_affine(self.psi), grid)

    def inverse_displacement(self) -> WorldField:
        """Of phi after the affine's inverse, on the moving image's grid: what carries target images
        back."""
        return self.pair.backward(self.pair.before_affine(self.phi))

    def jacobian(self, grid: Grid | None = None) -> Tensor:
        """Determinant (1, 1, X, Y, Z) of the map of `displacement`, the affine's own included."""
        local = qs.jacobian_determinant(self.psi) * float(
            np.linalg.det(self.pair.placement.affine[:3, :3])
        )
        return carry(local, self.pair.grid, grid or self.pair.target_image.grid)


def register(
    moving: Image,
    target: Image,
    model: Model,
    *,
    device: torch.device | str = "cpu",
    steps: int | None = None,
    correction: bool = True,
    samples: int | None = None,
    seed: int = 0,
    refine: int = 0,
    placement: Placement | None = None,
    histogram_matching: bool = False,
    progress: Progress | None = None,
) -> Registration:
    """Register by prediction: momentum from the network, geodesic, correction, geodesic.

    steps: of the integrator, the model's own where None. samples: predict so many times with
    dropout on, from `seed`, and take the mean momentum (`quicksilver.networks.dropout`). refine:
    iterations of LDDMM matching from the predicted momentum on. placement: where the images lie;
    None: they are aligned. progress: told the name of each stage. The momentum is smoothed where its map would fold (`quicksilver.lddmm.unfolding`).
    Raises QuicksilverError where the images do not overlap or are smaller than one patch, and where
    samples are asked of a model without dropout.

    >>> from quicksilver.networks.model import Model, ModelConfig
    >>> untrained = ModelConfig(features=2, spacing=1.0, steps=2)
    >>> brain = Image(torch.rand(16, 16, 16).numpy(), np.eye(4))
    >>> register(brain, brain, Model(untrained, untrained.network())).psi.shape
    torch.Size([1, 3, 24, 24, 24])
    """
    config = model.to(device).config
    stages = Stages(progress, device)
    steps = steps or config.steps
    corrected = correction and model.correction is not None
    metric = config.fluid_metric()
    settings = {"correction": corrected, "refine": refine, "steps": steps, "method": config.method}

    with torch.no_grad():
        with stages("prepare"):
            pair = prepare(
                moving,
                target,
                config.spacing,
                device,
                config.intensity,
                placement,
                histogram_matching,
                fitting_memory(steps) if refine else PREDICTING,
            )
        _check_patch(pair, config.spacing, config.patch_size)
        predicted = partial(
            predicted_momentum,
            model,
            pair.moving,
            pair.target,
            steps=steps,
            correction=correction,
        )
        drawn = None
        if samples is None:
            momentum = predicted(stages=stages)
        else:
            settings |= {"samples": samples, "seed": seed}

            def draw() -> tuple[Tensor, Tensor, Tensor]:
                one = predicted()
                psi, phi = config.shoot(one, steps)
                return one, pair.beyond_affine(psi), pair.before_affine(phi)

            with stages("sample") as tell:
                drawn = sample(model, draw, samples, seed, tell)
            momentum = drawn.momentum
        if refine > 0:
            with stages("refine") as tell:
                momentum = _refined(pair, momentum, metric, steps, refine, tell)
        with stages("shoot again" if corrected and samples is None else "shoot"):
            last = unfolded(momentum, lambda m: config.shoot(m, steps), config.prediction_factor)
        found = _judged(pair, last, metric, settings, stages)
    return found if drawn is None else _with_spread(found, drawn)


def _with_spread(found: Registration, drawn: Uncertainty) -> Registration:
    deviation = spread(drawn.psi.variance.sqrt(), found.pair.target > 0)
    quality = {**found.quality, "deviation_mm": deviation}
    return replace(found, quality=quality, uncertainty=drawn)


def _refined(
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
        judged = _judged(pair, last, metric, settings.described(), stages)
    return replace(judged, energies={**judged.energies, "iterations": fitted.energies[0]})


def _check_patch(pair: Pair, spacing: float, size: int) -> None:
    frame = pair.placement.frame
    low, high = brain_box(pair.placed.moved(frame), pair.target_image.moved(frame))
    counts = np.rint((high - low) / spacing).astype(int) + 1
    if counts.min() < size:
        raise QuicksilverError(
            f"expected brains of at least one patch, {size} voxels of {spacing:g} mm along each "
            f"axis, found {counts.tolist()}; check the spacing in the image headers"
        )


def _judged(
    pair: Pair,
    last: Unfolded,
    metric: qs.FluidMetric,
    settings: dict[str, Any],
    stages: Stages,
) -> Registration:
    """The registration with its energies and its quality."""
    psi, phi = last.psi, last.phi
    if not (psi.isfinite().all() and phi.isfinite().all()):
        raise QuicksilverError(
            "expected a finite deformation, found NaN or infinity, as far too large a momentum "
            "gives; use a model for such images, or more --steps"
        )
    with stages("judge"):
        energies = _energies(pair, last.momentum, psi, metric)
        quality = _quality(pair, psi, phi) | {"damping_rounds": last.rounds}
    where = {
        "metric": asdict(metric),
        "working_shape": list(pair.grid.shape),
        "working_spacing_mm": pair.grid.spacing.round(4).tolist(),
        "affine": pair.placement.affine.tolist(),
        "frame": pair.placement.frame.tolist(),
        **pair.placement.found,
        "device": str(psi.device),
        "threads": torch.get_num_threads(),
    }
    memory = peak_memory(psi.device)
    settings = {**settings, **where}
    return Registration(
        pair, last.momentum, psi, phi, energies, quality, settings, stages.seconds, memory
    )


def _energies(
    pair: Pair, momentum: Tensor, psi: Tensor, metric: qs.FluidMetric
) -> dict[str, float]:
    return {
        "kinetic": 0.5 * (momentum * metric.sharp(momentum)).sum(dtype=torch.float64).item(),
        "mismatch_before": _squared_difference(pair.moving, pair.target),
        "mismatch_after": _squared_difference(qs.warp(pair.moving, psi), pair.target),
    }


def _quality(pair: Pair, psi: Tensor, phi: Tensor) -> dict[str, Any]:
    brain = pair.target > 0
    folds = count_folds(psi)
    return {
        "folded_voxels": folds.voxels,
        "folded_volume_voxels": folds.volume,
        "inverse_consistency_voxels": inverse_consistency(psi, phi, brain),
        "log_jacobian_sd": log_jacobian_sd(psi, brain),
        "displacement_mm": spread(turn(pair.grid.affine[:3, :3], psi), brain),
    }


def _squared_difference(a: Tensor, b: Tensor) -> float:
    return (a - b).square().sum(dtype=torch.float64).item()
