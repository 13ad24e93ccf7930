"""Infer the momentum of two images on one grid with a model: predict, shoot, correct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import downsample, upsample_momentum
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.tiling import predict_momentum
from quicksilver.runtime.stages import Stages, Tell

LOOKING_STEPS = 5
"""Time steps of a map that is only shown to the correction network (docs/register.md)."""


@torch.no_grad()
def infer_momentum(
    model: Model,
    moving: Tensor,
    target: Tensor,
    *,
    steps: int | None = None,
    correction: bool = True,
    stages: Stages | None = None,
) -> Tensor:
    """Predict the initial momentum of two images, corrected if the model has networks for that.

    Args:
        model: The model.
        moving: (1, 1, X, Y, Z), normalised, on the model's device.
        target: (1, 1, X, Y, Z), likewise.
        steps: Time steps of the geodesic; None: the model's own.
        correction: Whether the correction networks are used.
        stages: Measures the parts.

    Returns:
        (1, 3, X, Y, Z) in voxels.

    Example:
        >>> from quicksilver.networks.model import ModelConfig
        >>> untrained = ModelConfig(features=2, architecture="horizontal", steps=2)
        >>> image = torch.rand(1, 1, 16, 16, 16)
        >>> infer_momentum(Model(untrained, untrained.network()), image, image).abs().max()
        tensor(0.)
    """
    config, stages = model.config, stages or Stages(device=moving.device)
    factor, times = config.prediction_factor, config.coarse_corrections
    coarse = downsample(moving, factor), downsample(target, factor)

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
    momentum = upsample_momentum(momentum, factor, moving.shape[2:])
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
        predict: Gives the missing momentum of a moving image and a target warped back; told
            details.
        times: Number of corrections.
        steps: Of the integrator; None: the model's own.
        factor: How much coarser the images' grid is than the model's.
        stages: Measures the parts.
    """
    stages = stages or Stages()
    for _ in range(times):
        with stages("shoot"):
            back = warp_target_back(config, momentum, target, steps, factor)
        with stages("correct") as tell:
            momentum = momentum + predict(moving, back, tell)
    return momentum


def warp_target_back(
    config: ModelConfig,
    momentum: Tensor,
    target: Tensor,
    steps: int | None = None,
    factor: int = 1,
) -> Tensor:
    """Warp the target back along a momentum's geodesic, for the correction network to see.

    The map is only shown to the correction network, so few steps of low frequencies and linear
    composition suffice, at a quarter of the cost; by "rk4" it is shot as the original does.

    Args:
        config: Of the model.
        momentum: (B, 3, X, Y, Z) in voxels of the target's grid.
        target: (B, 1, X, Y, Z).
        steps: Time steps of the geodesic; None: the model's own.
        factor: How much coarser the grid is than the model's.
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
