"""Models: networks and the settings that their momenta are meant for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import Intensity
from quicksilver.lddmm.metric import coarsen_metric, pad_metric
from quicksilver.lddmm.unfolding import Unfolded, unfold
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.dropout import find_dropout
from quicksilver.networks.horizontal import HorizontalNetwork
from quicksilver.networks.patch import DROPOUT, PATCH_SIZE, PatchNetwork


@dataclass
class ModelConfig:
    """Everything that a model file says about its networks, and their history.

    Args:
        features: Channels of the networks at full resolution.
        architecture: "patch" is the paper's (`PatchNetwork`), "horizontal" sees whole volumes
            (`HorizontalNetwork`).
        prediction_factor: How much coarser the prediction network sees the images than the
            correction network.
        coarse_corrections: Number of corrections on the grid of the prediction, before the others.
        corrections: Number of corrections, each with the target warped back along what was found so
            far.
        dropout: Whether the networks have dropout.
        dropout_rate: Its probability.
        sharpness: See `quicksilver.networks.base.MomentumNetwork`.
        relative: Whether momenta are bound to what differs between the images
            (`quicksilver.networks.evidence`).
        axes_reversed: See `PatchNetwork`.
        patch_size: Edge of a patch in voxels.
        stride: Voxels between patches.
        spacing: Voxel size in millimetres.
        metric: alpha, beta, gamma and power, in voxels.
        method: Integrator of `quicksilver_ext.shoot`.
        steps: Its time steps.
        borders: Its rule at the borders.
        inverse_iterations: Its iterations of the inverse.
        intensity: Scale of `quicksilver.images.intensity.normalise`.
        precision: Of the weights in the file: "half" for weights trained to be rounded, "single"
            for others.
        training_data: For the card, as what follows.
        licence: Of the weights.
        commit: Of the code that trained them.
        settings: The recipe.
        results: Of the validation.
    """

    features: int
    architecture: Literal["patch", "horizontal"] = "patch"
    prediction_factor: int = 1
    coarse_corrections: int = 0
    corrections: int = 1
    dropout: bool = False
    dropout_rate: float = DROPOUT
    sharpness: float | None = None
    relative: bool = False
    axes_reversed: bool = False
    patch_size: int = PATCH_SIZE
    stride: int = 14
    spacing: float = 2.0
    metric: dict[str, float] = field(
        default_factory=lambda: {"alpha": 0.01, "beta": 0.01, "gamma": 0.001, "power": 1}
    )
    method: str = "ab2"
    steps: int = 10
    borders: str = "extended"
    inverse_iterations: int = 5
    intensity: Intensity = "percentile"
    precision: Literal["half", "single"] = "half"
    training_data: str = ""
    licence: str = ""
    commit: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def fluid_metric(self, factor: int = 1) -> qs.FluidMetric:
        """Return the metric on grids of the model's spacing, or coarser by `factor`."""
        alpha, beta, gamma = (self.metric[name] for name in ("alpha", "beta", "gamma"))
        metric = pad_metric(qs.FluidMetric(alpha, beta, gamma, int(self.metric["power"])))
        return coarsen_metric(metric, factor)

    def shoot(
        self,
        momentum: Tensor,
        steps: int | None = None,
        factor: int = 1,
    ) -> tuple[Tensor, Tensor]:
        """Shoot a momentum by the model's integrator.

        Args:
            momentum: (B, 3, X, Y, Z) in voxels.
            steps: Time steps of the geodesic; None: the model's own.
            factor: How much coarser the grid is than the model's.

        Returns:
            psi and phi.
        """
        return qs.shoot(
            momentum,
            self.fluid_metric(factor),
            steps or self.steps,
            method=self.method,
            borders=self.borders,
            inverse_iterations=self.inverse_iterations,
            check=False,  # whoever uses the maps judges them
        )

    def shoot_unfolded(self, momentum: Tensor, steps: int | None = None) -> Unfolded:
        """Shoot a momentum (B, 3, X, Y, Z) that is smoothed where its map folds, first on the grid
        of the prediction.
        """
        factor, shoot = self.prediction_factor, partial(self.shoot, steps=steps)
        coarse = partial(shoot, factor=factor) if factor > 1 else None
        return unfold(momentum, shoot, factor, coarse)

    def network(self) -> MomentumNetwork:
        """Build a network of this architecture, its weights not yet set."""
        network: MomentumNetwork
        if self.architecture == "horizontal":
            network = HorizontalNetwork(self.features, self.dropout)
        else:
            network = PatchNetwork(self.features, self.dropout, self.axes_reversed)
        network.sharpness = self.sharpness
        for layer in find_dropout(network):
            layer.p = self.dropout_rate
        return network


@dataclass
class Model:
    """Networks and their configuration.

    Args:
        config: What the model file says.
        prediction: Predicts the momentum.
        correction: Corrects it; None: nothing does.
        coarse_correction: Corrects it before, on the grid of the prediction; None: nothing does.
    """

    config: ModelConfig
    prediction: MomentumNetwork
    correction: MomentumNetwork | None = None
    coarse_correction: MomentumNetwork | None = None

    def networks(self) -> dict[str, MomentumNetwork]:
        """Return the networks by the prefix of their tensors in a file."""
        named = {
            "prediction": self.prediction,
            "coarse_correction": self.coarse_correction,
            "correction": self.correction,
        }
        return {name: network for name, network in named.items() if network is not None}

    def digest(self) -> str:
        """Return a short name of weights and configuration: equal for equal models."""
        content = hashlib.sha256(json.dumps(dataclasses.asdict(self.config)).encode())
        for network in self.networks().values():
            for name, value in network.state_dict().items():
                content.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return content.hexdigest()[:16]

    def to(self, device: str | torch.device) -> Model:
        """Move the model to a device, its weights in the memory order that convolutions prefer
        there.
        """
        for network in self.networks().values():
            half = network.fastest_type(torch.device(device)) != torch.float32
            order = torch.channels_last_3d if half else torch.contiguous_format
            moved: Any = network.to(device)  # torch's stubs know no memory format of modules
            moved.to(memory_format=order)
        return self


def fill_network(
    config: ModelConfig, state: Mapping[str, Tensor], path: str | Path
) -> MomentumNetwork:
    """Build a network of a configuration with the weights of a file.

    Raises:
        QuicksilverError: The weights are those of another network.
    """
    if any(value.is_complex() for value in state.values() if isinstance(value, Tensor)):
        raise not_a_model(path, "complex weights")
    try:
        with torch.device("meta"):  # allocates nothing for what a file may claim and not hold
            network = config.network()
        network.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise not_a_model(path, f"other tensors ('{reason}')") from error
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise not_a_model(path, "weights with NaN or infinity")
    return network.eval()


def not_a_model(path: str | Path, found: str) -> QuicksilverError:
    """Return the error for a file that holds no model."""
    return QuicksilverError(
        f"expected {path} to hold the tensors and settings of a Quicksilver network, "
        f"found {found}; give a file written by 'quicksilver train' or a published checkpoint"
    )
