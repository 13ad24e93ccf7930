"""Model files: networks and the settings that their momenta are meant for.

Our format is one safetensors file: tensors `prediction.*`, `correction.*` and `coarse_correction.*`, in half precision or
as they were published, and the configuration as JSON in the metadata. Published Quicksilver
checkpoints (`.pth.tar`) can be read too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import Intensity
from quicksilver.lddmm.metric import isolated, metric_at
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.horizontal import HorizontalNetwork
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork


@dataclass
class ModelConfig:
    """What a model file says about itself; everything that prediction and shooting need, and its
    history.

    `metric` holds alpha, beta, gamma and power in voxels of a grid of `spacing` millimetres;
    `method`, `steps`, `borders` and `inverse_iterations` are those of `quicksilver_ext.shoot`;
    `intensity` is the scale of `quicksilver.images.intensity.normalise`. `precision` is that of the weights in
    the file: "half" for weights trained to be rounded, "single" for those of others.
    `architecture`: "patch" is the paper's (`PatchNetwork`, which explains `axes_reversed`),
    "horizontal" sees whole volumes (`HorizontalNetwork`); `patch_size` and `stride` are those of the
    first. `prediction_factor`: how much coarser the prediction network sees the images than the
    correction network does. `corrections`: how often that one corrects, each time by the target
    warped back along what has been found so far; `coarse_corrections`: how often another corrects
    before, on the grid of the prediction. `sharpness`: see `quicksilver.networks.base`.
    """

    features: int
    architecture: Literal["patch", "horizontal"] = "patch"
    prediction_factor: int = 1
    coarse_corrections: int = 0
    corrections: int = 1
    dropout: bool = False
    sharpness: float | None = None
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
        """The metric on grids of the model's spacing, or coarser by `factor`."""
        alpha, beta, gamma = (self.metric[name] for name in ("alpha", "beta", "gamma"))
        metric = isolated(qs.FluidMetric(alpha, beta, gamma, int(self.metric["power"])))
        return metric_at(metric, factor)

    def shoot(
        self,
        momentum: Tensor,
        steps: int | None = None,
        factor: int = 1,
    ) -> tuple[Tensor, Tensor]:
        """psi and phi of a momentum by the model's integrator, in its own steps where None; on grids
        as `fluid_metric` has them."""
        return qs.shoot(
            momentum,
            self.fluid_metric(factor),
            steps or self.steps,
            method=self.method,
            borders=self.borders,
            inverse_iterations=self.inverse_iterations,
        )

    def network(self) -> MomentumNetwork:
        """A network of this architecture, its weights not yet set."""
        network: MomentumNetwork
        if self.architecture == "horizontal":
            network = HorizontalNetwork(self.features, self.dropout)
        else:
            network = PatchNetwork(self.features, self.dropout, self.axes_reversed)
        network.sharpness = self.sharpness
        return network


@dataclass
class Model:
    """A prediction network, the networks that correct it where there are some, and their
    configuration."""

    config: ModelConfig
    prediction: MomentumNetwork
    correction: MomentumNetwork | None = None
    coarse_correction: MomentumNetwork | None = None

    def networks(self) -> dict[str, MomentumNetwork]:
        """The networks by the prefix of their tensors in a file."""
        named = {
            "prediction": self.prediction,
            "coarse_correction": self.coarse_correction,
            "correction": self.correction,
        }
        return {name: network for name, network in named.items() if network is not None}

    def digest(self) -> str:
        """A short name of the weights and the configuration: equal for equal models."""
        content = hashlib.sha256(json.dumps(dataclasses.asdict(self.config)).encode())
        for network in self.networks().values():
            for name, value in network.state_dict().items():
                content.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return content.hexdigest()[:16]

    def to(self, device: str | torch.device) -> Model:
        """The same model on another device, its weights in the order that convolutions like there."""
        for network in self.networks().values():
            half = network.fastest_type(torch.device(device)) != torch.float32
            order = torch.channels_last_3d if half else torch.contiguous_format
            moved: Any = network.to(device)  # torch's stubs know no memory format of modules
            moved.to(memory_format=order)
        return self


def fill_network(
    config: ModelConfig, state: Mapping[str, Tensor], path: str | Path
) -> MomentumNetwork:
    try:
        with torch.device("meta"):  # no memory for what a file may claim and does not hold
            network = config.network()
        network.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise not_a_model(path, f"other tensors ('{reason}')") from error
    return network.eval()


def not_a_model(path: str | Path, found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected {path} to hold the tensors and settings of a Quicksilver network, "
        f"found {found}; give a file written by 'quicksilver train' or a published checkpoint"
    )
