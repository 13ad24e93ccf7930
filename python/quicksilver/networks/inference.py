"""The momentum that a model predicts for two images on one grid: predict, shoot, correct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import coarser, finer_momentum
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.tiling import predict_momentum
from quicksilver.runtime.stages import Stages, Tell

LOOKING_STEPS = 5
"""Of a geodesic along which the correction network is shown the target. Of three pairs of held-out IXI
people at 2 mm that moves phi by 0.04 voxels rms in the brain, with low frequencies alone by 0.08; the
overlap of six such pairs is the same within 0.001 (sources that became e6c7390, two cores of an AMD EPYC)."""


@torch.no_grad()
def predicted_momentum(
    model: Model,
    moving: Tensor,
    target: Tensor,
    *,
    steps: int | None = None,
    correction: bool = True,
    stages: Stages | None = None,
) -> Tensor:
    """The initial momentum (1, 3, X, Y, Z) of a model, corrected where it has networks for that.

    moving, target: (1, 1, X, Y, Z), normalised, on the model's device. steps: of the
    integrator, the model's own where None. correction: whether the networks that correct are asked,
    where there are some. stages: measures the parts.

    >>> from quicksilver.networks.model import ModelConfig
    >>> untrained = ModelConfig(features=2, architecture="horizontal", steps=2)
    >>> image = torch.rand(1, 1, 16, 16, 16)
    >>> predicted_momentum(Model(untrained, untrained.network()), image, image).abs().max()
    tensor(0.)
    """
    config, stages = model.config, stages or Stages(device=moving.device)
    factor, times = config.prediction_factor, config.coarse_corrections
    coarse = coarser(moving, factor), coarser(target, factor)

    def correct(
        momentum: Tensor,
        network: MomentumNetwork | None,
        images: tuple[Tensor, Tensor],
        times: int,
        factor: int,
    ) -> Tensor:
        if network is None or not correction:
            return momentum
        predict = partial(_predict, network, config=config)
        return apply_corrections(
            config, momentum, *images, predict, times, steps=steps, factor=factor, stages=stages
        )

    with stages("predict") as tell:
        momentum = _predict(model.prediction, *coarse, tell, config=config)
    momentum = correct(momentum, model.coarse_correction, coarse, times, factor)
    momentum = finer_momentum(momentum, factor, moving.shape[2:])
    return correct(momentum, model.correction, (moving, target), config.corrections, 1)


def apply_corrections(
    config: ModelConfig,
    momentum: Tensor,
    moving: Tensor,
    target: Tensor,
    predict: Callable[[Tensor, Tensor, Tell], Tensor],
    times: int,
    *,
    steps: int | None = None,
    factor: int = 1,
    stages: Stages | None = None,
) -> Tensor:
    """Correct a momentum several times: warp the target back along it, predict what is missing.

    Args:
        config: Of the model.
        momentum: (B, 3, X, Y, Z), in voxels of the images' grid.
        moving: (B, 1, X, Y, Z).
        target: (B, 1, X, Y, Z).
        predict: Gives the missing momentum of a moving image and a target warped back; told details.
        times: Number of corrections.
        steps: Of the integrator; None: the model's own.
        factor: How much coarser the images' grid is than the model's.
        stages: Measures the parts.
    """
    stages = stages or Stages()
    for _ in range(times):
        with stages("shoot"):
            back = warped_back(config, momentum, target, steps, factor)
        with stages("correct") as tell:
            momentum = momentum + predict(moving, back, tell)
    return momentum


def warped_back(
    config: ModelConfig,
    momentum: Tensor,
    target: Tensor,
    steps: int | None = None,
    factor: int = 1,
) -> Tensor:
    """The target warped back along a momentum's geodesic, as the correction network is shown it; on
    a grid coarser than the model's by `factor`.

    No map that anyone keeps comes of it: by "ab2" it is shot in few steps, of low frequencies, with
    linear composition, a quarter of the cost.
    """
    if config.method == "ab2":
        steps = min(steps or config.steps, LOOKING_STEPS)
        metric = replace(config.fluid_metric(factor), band="half")
        _, phi = qs.shoot(momentum, metric, steps, composition="linear")
    else:
        _, phi = config.shoot(momentum, steps, factor)
    return qs.warp(target, phi)


def _predict(
    network: MomentumNetwork, moving: Tensor, target: Tensor, tell: Tell, *, config: ModelConfig
) -> Tensor:
    def report(done: int, count: int) -> None:
        tell(f"{done} of {count} patches")

    return predict_momentum(network, moving, target, config.stride, progress=report)
