"""The momentum that a model predicts for two images on one grid: predict, shoot, correct."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import coarser, finer
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.evidence import find_evidence
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.tiling import both_brains, predict_momentum, whole_momentum
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
    factor = config.prediction_factor
    coarse = Inference(config, coarser(moving, factor), coarser(target, factor), factor, stages)
    with stages("predict") as tell:
        momentum = coarse.ask(model.prediction, coarse.target, tell)
    if correction:
        momentum = coarse.correct(
            momentum, model.coarse_correction, config.coarse_corrections, steps
        )
    # In voxels of a grid with spacing h a momentum is h times the physical one.
    momentum = finer(momentum, factor, moving.shape[2:]) / factor
    if correction:
        fine = coarse if factor == 1 else Inference(config, moving, target, 1, stages)
        momentum = fine.correct(momentum, model.correction, config.corrections, steps)
    return momentum


class Inference:
    """Asks networks about one pair of images, (1, 1, X, Y, Z), on a grid coarser than the model's by
    `factor`.

    Where the model's momenta are relative, what a network answers is taken relative to its answer
    for the moving image against itself, which is computed once, and weighed by the evidence.
    """

    def __init__(
        self,
        config: ModelConfig,
        moving: Tensor,
        target: Tensor,
        factor: int = 1,
        stages: Stages | None = None,
    ) -> None:
        self.config, self.moving, self.target, self.factor = config, moving, target, factor
        self.stages = stages or Stages(device=moving.device)
        self.region = both_brains(moving, target)
        self.evidence = find_evidence(moving, target) if config.relative else None
        self.baselines: dict[tuple[int, bool], Tensor] = {}

    def correct(
        self,
        momentum: Tensor,
        network: MomentumNetwork | None,
        times: int,
        steps: int | None = None,
    ) -> Tensor:
        """Add what a network finds missing, `times` times; nothing where there is no network."""
        for _ in range(times if network is not None else 0):
            with self.stages("shoot"):
                back = warped_back(self.config, momentum, self.target, steps, self.factor)
            with self.stages("correct") as tell:
                assert network is not None
                momentum = momentum + self.ask(network, back, tell)
        return momentum

    def ask(self, network: MomentumNetwork, target: Tensor, tell: Tell | None = None) -> Tensor:
        """The momentum that a network sees from the moving image to a target; differentiable where
        gradients are on."""
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
                tell(f"{done} of {count} patches")

        if torch.is_grad_enabled():
            return whole_momentum(network, self.moving, target, region=self.region)
        stride = self.config.stride
        return predict_momentum(
            network, self.moving, target, stride, progress=report, region=self.region
        )


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
