"""Registration by prediction: predict, shoot, correct, shoot.

All work happens in voxels of one grid (`quicksilver.registration.pair`). The maps are psi = phi^-1,
which warps the moving image to the target (``warp(moving, psi)``), and phi, which warps the target
back.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image, find_brain_box
from quicksilver.networks.dropout import Uncertainty, require_dropout, sample
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.shipped import open_model
from quicksilver.networks.tiling import require_patches
from quicksilver.registration.decision import decide
from quicksilver.registration.optimise import refine_momentum
from quicksilver.registration.options import Options
from quicksilver.registration.pair import PREDICTING, Pair, Placement, fitting_memory, prepare
from quicksilver.registration.result import (
    PredictionSettings,
    Registration,
    judge_registration,
)
from quicksilver.registration.stripping import require_deepbet
from quicksilver.runtime.devices import pick_device
from quicksilver.runtime.stages import Stages


def register(
    moving: Image,
    target: Image,
    options: Options,
    placement: Placement | None = None,
    stages: Stages | None = None,
) -> Registration:
    """Register by prediction: momentum from the network, geodesic, correction, geodesic.

    The LDDMM energy decides how much of the momentum is shot (`quicksilver.registration.decision`),
    which is smoothed where its map would fold (`quicksilver.lddmm.unfolding`).

    Args:
        moving: Image that is deformed.
        target: Image that it is brought to.
        options: Model, device, steps, samples ...; what says how images are read is not looked at.
        placement: Where the images lie to each other; None: in one world already.
        stages: Measures the stages; None: new ones, whose progress `options` are told.

    Raises:
        QuicksilverError: The images do not overlap or are smaller than one patch, or samples are
            asked of a model without dropout.

    Example:
        >>> from quicksilver.networks.model import ModelConfig
        >>> untrained = ModelConfig(features=2, spacing=1.0, steps=2)
        >>> brain = Image(torch.rand(16, 16, 16).numpy(), np.eye(4))
        >>> model = Model(untrained, untrained.network())
        >>> register(brain, brain, Options(model, device="cpu")).psi.shape
        torch.Size([1, 3, 24, 24, 24])
    """
    device = pick_device(options.device)
    stages = stages or Stages(options.progress, device)
    model = open_checked(options).to(device)
    config = model.config
    settings = _settle(options, model)
    placement = placement or Placement()
    _check_patch(moving, target, placement, config.spacing, config.patch_size)
    memory = fitting_memory(settings.steps) if options.refine else PREDICTING
    with torch.no_grad():
        with stages("prepare"):
            pair = prepare(
                moving,
                target,
                config.spacing,
                device,
                "equalised" if options.equalise else config.intensity,
                placement,
                options.histogram_matching,
                memory,
            )
        momenta, drawn = _predict(pair, model, options, settings, stages)
        momentum, settings = _choose(momenta, pair, config, options, settings, stages)
        if options.refine > 0:
            with stages("refine") as tell:
                momentum = refine_momentum(
                    pair, momentum, config.fluid_metric(), settings.steps, options.refine, tell
                )
        found = _finish(momentum, pair, config, settings, stages, drawn)
        if found.energies.improved or not options.decide or not momentum.any():
            return found
        nothing, settings = torch.zeros_like(momentum), replace(settings, kept_scale=0.0)
        return _finish(nothing, pair, config, settings, stages, drawn)


def open_checked(options: Options) -> Model:
    """Open the model of options, with their stride, once it is certain that what they ask for is
    there.

    Raises:
        QuicksilverError: There is no such model, samples are asked of one without dropout, patches
            of one that sees whole volumes, or deepbet is not installed to strip skulls.
    """
    if options.strip:
        require_deepbet()
    model = open_model(options.model)
    if options.samples is not None:
        require_dropout(model)
    if options.stride is None and options.batch_size is None:
        return model
    require_patches(model.prediction)
    stride = options.stride or model.config.stride
    return replace(model, config=replace(model.config, stride=stride))


def _choose(
    momenta: list[Tensor],
    pair: Pair,
    config: ModelConfig,
    options: Options,
    settings: PredictionSettings,
    stages: Stages,
) -> tuple[Tensor, PredictionSettings]:
    """Return the momentum to shoot, as the energy decides, and the settings that say so."""
    if not options.decide:
        return momenta[-1], settings
    with stages("decide"):
        chosen = decide(momenta, pair.images, config.fluid_metric())
    kept = replace(settings, kept_corrections=chosen.corrections, kept_scale=chosen.scale)
    return chosen.momentum, kept


def _finish(
    momentum: Tensor,
    pair: Pair,
    config: ModelConfig,
    settings: PredictionSettings,
    stages: Stages,
    drawn: Uncertainty | None,
) -> Registration:
    """Shoot a momentum, free of folds, and judge its maps."""
    with stages("shoot again" if settings.correction and drawn is None else "shoot"):
        last = config.shoot_unfolded(momentum, settings.steps)
    metric = config.fluid_metric()
    return judge_registration(pair, last, settings, metric, stages, uncertainty=drawn)


def _settle(options: Options, model: Model) -> PredictionSettings:
    """Return the settings that options and model make together."""
    sampled = options.samples is not None
    return PredictionSettings(
        correction=options.correction and model.correction is not None,
        refine=options.refine,
        steps=options.steps or model.config.steps,
        method=model.config.method,
        samples=options.samples,
        seed=options.seed if sampled else None,
        stride=model.config.stride if model.config.architecture == "patch" else None,
    )


def _predict(
    pair: Pair, model: Model, options: Options, settings: PredictionSettings, stages: Stages
) -> tuple[list[Tensor], Uncertainty | None]:
    """Predict the momentum, before and after corrections; with samples their mean, and their
    moments.
    """
    predict = partial(
        infer_momenta,
        model,
        pair.moving,
        pair.target,
        steps=settings.steps,
        correction=options.correction,
        batch_size=options.batch_size,
    )
    if options.samples is None:
        return predict(stages=stages), None

    def draw() -> tuple[Tensor, Tensor, Tensor]:
        momentum = predict()[-1]
        psi, phi = model.config.shoot(momentum, settings.steps)
        return momentum, pair.beyond_affine(psi), pair.before_affine(phi)

    with stages("sample") as tell:
        drawn = sample(model, draw, options.samples, options.seed, tell)
    return [drawn.momentum], drawn


def _check_patch(
    moving: Image, target: Image, placement: Placement, spacing: float, size: int
) -> None:
    """Raise QuicksilverError unless both brains are as large as one patch."""
    frame = placement.frame
    placed = moving.reframe(placement.affine)
    low, high = find_brain_box(placed.reframe(frame), target.reframe(frame))
    counts = np.rint((high - low) / spacing).astype(int) + 1
    if counts.min() < size:
        raise QuicksilverError(
            f"expected brains of at least one patch, {size} voxels of {spacing:g} mm along each "
            f"axis, found {counts.tolist()}; check the spacing in the image headers"
        )
