"""Training of one network on patches of fitted momenta.

The loss has two parts, each divided by its value for the prediction zero: the L1 distance of the
momenta, and the squared distance of the velocities they mean, <r, K r> of the residual r patch by
patch. K passes low frequencies a hundred times better than high ones: L1 alone learns edges well
and displacements late.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import quicksilver_ext as qs
from quicksilver.datasets import Batch, Patches
from quicksilver.errors import QuicksilverError
from quicksilver.files import replacing
from quicksilver.initialisation import initialise
from quicksilver.networks import MomentumNetwork

Report = Callable[[dict[str, Any]], None]
"""Called with a record (step, seconds, loss, ...) about once a minute and at validations."""

SAVE_EVERY = 60.0  # seconds: what a kill may cost
WARM_UP = 0.05  # part of the training in which the learning rate rises
CLIP = 1.0  # largest norm of the gradient; the loss is about 1 at the start


@dataclass(frozen=True)
class TrainingConfig:
    """How one network is trained: for `steps`, or for `minutes` of training time (give one).

    learning_rate: the largest, of a one-cycle schedule (measured at 16 features: from 3e-4 on, the
    first steps destroy the first weights, and nothing is learned for a long time). energy: weight
    of the velocity part of the loss. strength: of the intensity disturbances. average: decay per
    step of the mean of the weights, which is what validation and the model file use. bfloat16:
    mixed precision.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 16
    learning_rate: float = 1.5e-4
    weight_decay: float = 1e-4
    energy: float = 1.0
    strength: float = 1.0
    average: float = 0.995
    bfloat16: bool = True
    validations: int = 5
    seed: int = 0


class Trainer:
    """The training of one network; everything that decides the next step is in `state`.

    `checkpoint` is written about every minute and at the end. Where it exists, training goes on
    from it, with the losses that an uninterrupted run would have had. It begins with the weights
    of `start`, a network in voxel units, or where there is none with those of `initialise`.
    """

    def __init__(
        self,
        network: MomentumNetwork,
        patches: Patches,
        metric: qs.FluidMetric,
        config: TrainingConfig,
        checkpoint: str | Path,
        start: MomentumNetwork | None = None,
    ) -> None:
        if (config.steps is None) == (config.minutes is None):
            raise ValueError("Trainer: give either steps or minutes, found both or neither")
        self.network, self.patches, self.config = network, patches, config
        self.checkpoint = Path(checkpoint)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.scale = patches.mean_magnitude()
        if start is not None:
            network.load_state_dict(scaled(start, 1 / self.scale).state_dict())
        elif not self.checkpoint.exists():
            initialise(network, patches, self.scale, self.generator)
        self.average = copy.deepcopy(network).eval()
        self.optimiser = torch.optim.AdamW(
            network.parameters(), betas=(0.9, 0.99), weight_decay=config.weight_decay
        )
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        if self.checkpoint.exists():
            self.load()
        self.loss = MomentumLoss(metric, patches, self.scale, config.energy)

    @property
    def progress(self) -> float:
        """The part of the training that is done, 0 to 1."""
        if self.config.steps is not None:
            return min(self.step / self.config.steps, 1.0)
        assert self.config.minutes is not None
        return min(self.seconds / (60 * self.config.minutes), 1.0)

    def run(
        self, validate: Callable[[MomentumNetwork], dict[str, float]], report: Report
    ) -> MomentumNetwork:
        """Train to the end; returns the averaged network, whose output is in voxel units."""
        self.network.train()
        saved = self.seconds
        while self.progress < 1:
            validated = math.floor(self.progress * self.config.validations)
            self.one_step()
            record = {
                "step": self.step,
                "seconds": round(self.seconds, 1),
                "loss": self.recent_loss(),
            }
            if math.floor(self.progress * self.config.validations) > validated:
                report(record | validate(self.result()))
            if self.seconds - saved > SAVE_EVERY or self.progress >= 1:
                self.save()
                report(record)
                saved = self.seconds
        return self.result()

    def one_step(self) -> None:
        """One batch, one update of the weights and of their average."""
        begin = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * one_cycle(self.progress)
        batch = self.patches.batch(self.config.batch, self.generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            output = self.network(batch.moving, batch.target)
        loss = self.loss(output.float(), batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        decay = min(self.config.average, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, value in zip(
                self.average.parameters(), self.network.parameters(), strict=True
            ):
                mean.lerp_(value, 1 - decay)
        self.losses.append(loss.item())
        self.seconds += time.perf_counter() - begin

    def recent_loss(self) -> float:
        """Mean loss of the last hundred batches."""
        recent = self.losses[-100:]
        return sum(recent) / len(recent)

    def result(self) -> MomentumNetwork:
        """A copy of the averaged network, in voxel units."""
        return scaled(self.average, self.scale)

    def state(self) -> dict[str, Any]:
        """Tensors and numbers only, so that it loads without unpickling objects."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "dropout": torch.get_rng_state(),
            "scale": self.scale,
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
        }

    def save(self) -> None:
        """Write the checkpoint."""
        with replacing(self.checkpoint) as temporary:
            torch.save(self.state(), temporary)

    def load(self) -> None:
        """Go on from the checkpoint; QuicksilverError where it belongs to another network."""
        try:
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
        except (OSError, RuntimeError, KeyError) as error:
            raise QuicksilverError(
                f"expected {self.checkpoint} to be a checkpoint of this training, found another "
                "or a damaged one; take it away to start anew"
            ) from error
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["dropout"])
        for name in ("scale", "step", "seconds", "losses"):
            setattr(self, name, state[name])


class MomentumLoss:
    """The loss of predicted momenta, both parts relative to the prediction zero.

    scale: the network's output is in units of it. weight: of the velocity part.
    """

    def __init__(
        self, metric: qs.FluidMetric, patches: Patches, scale: float, weight: float
    ) -> None:
        # A patch stands alone: half its size of background keeps its images on the torus apart.
        self.metric = replace(metric, pad=9)
        self.scale, self.weight = scale, weight
        sample = patches.batch(512, torch.Generator().manual_seed(0)).momentum / scale
        self.magnitude = sample.abs().mean().item()
        self.kinetic = self._kinetic(sample).item()

    def __call__(self, output: Tensor, batch: Batch) -> Tensor:
        residual = output - batch.momentum / self.scale
        distance = residual.abs().mean() / self.magnitude
        return distance + self.weight * self._kinetic(residual) / self.kinetic

    def _kinetic(self, momentum: Tensor) -> Tensor:
        return (momentum * self.metric.sharp(momentum)).mean()


def scaled(network: MomentumNetwork, factor: float) -> MomentumNetwork:
    """A copy of a network whose last convolutions give `factor` times its momentum."""
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for block in (copied.decoder_x_2, copied.decoder_y_2, copied.decoder_z_2):
            for parameter in block.conv_output.parameters():
                parameter.mul_(factor)
    return copied


def one_cycle(progress: float) -> float:
    """The learning rate relative to its largest: a linear rise, then half a cosine down to zero."""
    if progress < WARM_UP:
        return max(progress, 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
