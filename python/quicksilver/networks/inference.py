"""Infer the momentum of two images on one grid with a model: predict, shoot, correct."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import downsample, upsample_momentum
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.evidence import find_evidence
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.tiling import find_brains, predict_momentum, predict_with_gradient
from quicksilver.runtime.stages import Stages, Tell, count_done

LOOKING_STEPS = 5
"""Time steps of a map that is only shown to the correction network (docs/register.md)."""


@torch.no_grad()
def infer_momenta(
    model: Model,
    moving: Tensor,
    target: Tensor,
    *,
    steps: int | None = None,
    correction: bool = True,
    batch_size: int | None = None,
    stages: Stages | None = None,
) -> list[Tensor]:
    """Predict an initial momentum, and correct it where the model has networks for that.

    Args:
        model: The networks.
        moving: (1, 1, X, Y, Z), normalised, on the model's device.
        target: As `moving`.
        steps: Of the integrator; None: the model's own.
        correction: Whether the networks that correct are asked, where there are some.
        batch_size: Patches per pass of a network of patches; None: what suits the device.
        stages: Measures the parts.

    Returns:
        The momentum (1, 3, X, Y, Z) as predicted, and as it was after each correction on the
        images' grid.

    Example:
        >>> from quicksilver.networks.model import ModelConfig
        >>> untrained = ModelConfig(features=2, architecture="horizontal", steps=2)
        >>> image = torch.rand(1, 1, 16, 16, 16)
        >>> infer_momenta(Model(untrained, untrained.network()), image, image)[-1].abs().max()
        tensor(0.)
    """
    config, stages = model.config, stages or Stages(device=moving.device)
    factor = config.prediction_factor
    coarse = Inference(
        config, downsample(moving, factor), downsample(target, factor), factor, stages, batch_size
    )
    with stages("predict") as tell:
        momentum = coarse.ask(model.prediction, coarse.target, tell)
    if not correction:
        return [upsample_momentum(momentum, factor, moving.shape[2:])]
    momenta = coarse.correct(momentum, model.coarse_correction, config.coarse_corrections, steps)
    momentum = upsample_momentum(momenta[-1], factor, moving.shape[2:])
    fine = coarse if factor == 1 else Inference(config, moving, target, 1, stages, batch_size)
    return fine.correct(momentum, model.correction, config.corrections, steps)


class Inference:
    """Asks networks about one pair of images on one grid.

    Where the model's momenta are relative, what a network answers is taken relative to its answer
    for the moving image against itself, which is computed once, and weighed by the evidence.

    Args:
        config: Of the model.
        moving: (1, 1, X, Y, Z).
        target: (1, 1, X, Y, Z).
        factor: How much coarser the images' grid is than the model's.
        stages: Measures the parts.
        batch_size: Patches per pass of a network of patches; None: what suits the device.
    """

    def __init__(
        self,
        config: ModelConfig,
        moving: Tensor,
        target: Tensor,
        factor: int = 1,
        stages: Stages | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.config, self.moving, self.target, self.factor = config, moving, target, factor
        self.batch_size = batch_size
        self.stages = stages or Stages(device=moving.device)
        self.region = find_brains(moving, target)
        self.evidence = find_evidence(moving, target) if config.relative else None
        self.baselines: dict[tuple[int, bool], Tensor] = {}

    def correct(
        self,
        momentum: Tensor,
        network: MomentumNetwork | None,
        times: int,
        steps: int | None = None,
    ) -> list[Tensor]:
        """Correct a momentum: warp the target back along it, add what the network finds missing.

        Args:
            momentum: (1, 3, X, Y, Z), in voxels of the images' grid.
            network: Gives the missing momentum; None: the momentum stays as it is.
            times: Number of corrections.
            steps: Of the integrator; None: the model's own.

        Returns:
            The momentum, and what it was after each correction.
        """
        momenta = [momentum]
        for _ in range(times if network is not None else 0):
            with self.stages("shoot"):
                back = warp_target_back(self.config, momenta[-1], self.target, steps, self.factor)
            with self.stages("correct") as tell:
                assert network is not None
                momenta.append(momenta[-1] + self.ask(network, back, tell))
        return momenta

    def ask(self, network: MomentumNetwork, target: Tensor, tell: Tell | None = None) -> Tensor:
        """Return the momentum that a network predicts from the moving image to a target.

        Differentiable where gradients are on.
        """
        if self.evidence is None:
            return self._answer(network, target, tell)
        dropout = torch.get_rng_state()  # both answers drop the same features
        answer = self._answer(network, target, tell)
        key = id(network), torch.is_grad_enabled()
        if key not in self.baselines or self.config.dropout:
            torch.set_rng_state(dropout)
            self.baselines[key] = self._answer(network, self.moving, tell)
        return self.evidence * (answer - self.baselines[key])

    def _answer(self, network: MomentumNetwork, target: Tensor, tell: Tell | None) -> Tensor:
        def report(done: int, count: int) -> None:
            if tell is not None:
                tell(count_done(done, count, "patches"))

        if torch.is_grad_enabled():
            return predict_with_gradient(network, self.moving, target, region=self.region)
        return predict_momentum(
            network,
            self.moving,
            target,
            self.config.stride,
            self.batch_size,
            progress=report,
            region=self.region,
        )


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
        _, phi = qs.shoot(momentum, metric, steps, composition="linear", check=False)
    else:
        _, phi = config.shoot(momentum, steps, factor)
    return qs.warp(target, phi)
