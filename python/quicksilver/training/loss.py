"""The loss of a training: an objective of the momenta that a network predicts for a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.inference import Inference
from quicksilver.networks.model import ModelConfig
from quicksilver.training.batches import Batch
from quicksilver.training.objectives import Objective

Predict = Callable[[MomentumNetwork, Batch], Tensor]
"""Predicts the momenta of a batch."""


@dataclass(frozen=True)
class TrainingLoss:
    """What the trainer minimises: an objective of predicted momenta, in units of `scale`."""

    objective: Objective
    predict: Predict
    scale: float
    precision: str

    def __call__(self, network: MomentumNetwork, batch: Batch) -> Tensor:
        mixed = self.precision == "bfloat16"
        with torch.autocast(batch.moving.device.type, torch.bfloat16, enabled=mixed):
            momentum = self.predict(network, batch)
        return self.objective(self.scale * momentum.float(), batch)


def predict_patches(network: MomentumNetwork, batch: Batch) -> Tensor:
    """Predict the momenta of patches."""
    momentum: Tensor = network(batch.seen_moving, batch.seen_target)
    return momentum


def predict_volumes(config: ModelConfig, network: MomentumNetwork, batch: Batch) -> Tensor:
    """Predict the momenta of whole volumes."""
    pair = Inference(config, batch.seen_moving, batch.seen_target)
    return pair.ask(network, batch.seen_target)
