"""Registration of two images: predict, shoot, correct, shoot; or fit, shoot.

All work happens in voxels of one grid (`quicksilver.registration.pair`). The maps are psi = phi^-1, which
carries the moving image to the target (``warp(moving, psi)``), and phi, which carries the target
back.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image, brain_box
from quicksilver.lddmm.unfolding import unfolded
from quicksilver.networks.dropout import Uncertainty, sample
from quicksilver.networks.inference import predicted_momentum
from quicksilver.registration.evaluation import spread
from quicksilver.registration.optimise import refine_momentum
from quicksilver.registration.pair import PREDICTING, Pair, Placement, fitting_memory, prepare
from quicksilver.registration.result import Registration, judge_registration
from quicksilver.runtime.stages import Progress, Stages

if TYPE_CHECKING:
    from quicksilver.networks.model import Model


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
                momentum = refine_momentum(pair, momentum, metric, steps, refine, tell)
        with stages("shoot again" if corrected and samples is None else "shoot"):
            last = unfolded(momentum, lambda m: config.shoot(m, steps), config.prediction_factor)
        found = judge_registration(pair, last, metric, settings, stages)
    return found if drawn is None else _with_spread(found, drawn)


def _with_spread(found: Registration, drawn: Uncertainty) -> Registration:
    deviation = spread(drawn.psi.variance.sqrt(), found.pair.target > 0)
    quality = {**found.quality, "deviation_mm": deviation}
    return replace(found, quality=quality, uncertainty=drawn)


def _check_patch(pair: Pair, spacing: float, size: int) -> None:
    frame = pair.placement.frame
    low, high = brain_box(pair.placed.moved(frame), pair.target_image.moved(frame))
    counts = np.rint((high - low) / spacing).astype(int) + 1
    if counts.min() < size:
        raise QuicksilverError(
            f"expected brains of at least one patch, {size} voxels of {spacing:g} mm along each "
            f"axis, found {counts.tolist()}; check the spacing in the image headers"
        )
