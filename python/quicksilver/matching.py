"""The momentum that a model predicts for two images on one grid: predict, shoot, correct."""

from __future__ import annotations

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.models import Model, ModelConfig
from quicksilver.networks import MomentumNetwork
from quicksilver.prediction import predict_momentum
from quicksilver.stages import Stages, Tell

LOOKING_STEPS = 5
"""Of a geodesic along which the correction network is shown the target. For ixi_603 and ixi_605 at 2 mm
that moves phi by 0.03 voxels rms in the brain."""


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
    """The initial momentum (1, 3, X, Y, Z) of a model, corrected where it has a second network.

    moving, target: (1, 1, X, Y, Z), normalised, on the model's device. steps: of the
    integrator, the model's own where None. correction: whether the second network is asked,
    where there is one. stages: measures the parts.

    >>> from quicksilver.models import ModelConfig
    >>> untrained = ModelConfig(features=2, architecture="horizontal", steps=2)
    >>> image = torch.rand(1, 1, 16, 16, 16)
    >>> predicted_momentum(Model(untrained, untrained.network()), image, image).abs().max()
    tensor(0.)
    """
    config, stages = model.config, stages or Stages(device=moving.device)
    with stages("predict") as tell:
        momentum = _predict(
            model.prediction, moving, target, config, tell, config.prediction_factor
        )
    correcting = model.correction if correction else None
    if correcting is None:
        return momentum
    for _ in range(config.corrections):
        with stages("shoot"):
            back = warped_back(config, momentum, target, steps)
        with stages("correct") as tell:
            momentum = momentum + _predict(correcting, moving, back, config, tell)
    return momentum


def warped_back(
    config: ModelConfig,
    momentum: Tensor,
    target: Tensor,
    steps: int | None = None,
) -> Tensor:
    """The target warped back along a momentum's geodesic, as the correction network is shown it.

    No map that anyone keeps comes of it: by "ab2" it is shot in few steps with linear composition, a
    third of the cost.
    """
    if config.method == "ab2":
        steps = min(steps or config.steps, LOOKING_STEPS)
        _, phi = qs.shoot(momentum, config.fluid_metric(), steps, composition="linear")
    else:
        _, phi = config.shoot(momentum, steps)
    return qs.warp(target, phi)


def _predict(
    network: MomentumNetwork,
    moving: Tensor,
    target: Tensor,
    config: ModelConfig,
    tell: Tell,
    factor: int = 1,
) -> Tensor:
    def report(done: int, count: int) -> None:
        tell(f"{done} of {count} patches")

    return predict_momentum(network, moving, target, config.stride, factor, progress=report)
