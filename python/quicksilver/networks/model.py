"""Model files: networks and the settings that their momenta are meant for.

Our format is one safetensors file: tensors `prediction.*`, `correction.*` and `coarse_correction.*`, in half precision or
as they were published, and the configuration as JSON in the metadata. Published Quicksilver
checkpoints (`.pth.tar`) can be read too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import INTENSITIES, Intensity
from quicksilver.images.pyramid import isolated, metric_at
from quicksilver.io.files import replacing, require_file
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.horizontal import HorizontalNetwork
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork

INTENSITY_0_1 = (
    "divided by the 99th percentile of the non-zero voxels, clipped to [0, 1.2], background 0"
)
"""What files of version 0.1 hold in place of "percentile"."""
PUBLISHED_KEYS = ("patch_size", "network_feature", "state_dict", "deformation_params")
COUNTS = ("features", "prediction_factor", "corrections", "stride", "steps", "inverse_iterations")
DEFAULT = "default-2mm"
SUFFIX = ".safetensors"
WEIGHTS = files("quicksilver") / "weights"


@dataclass
class ModelConfig:
    """What a model file says about itself; everything that prediction and shooting need, and its
    history.

    `metric` holds alpha, beta, gamma and power in voxels of a grid of `spacing` millimetres;
    `method`, `steps`, `borders` and `inverse_iterations` are those of `quicksilver_ext.shoot`;
    `intensity` is the scale of `quicksilver.images.image.normalise`. `precision` is that of the weights in
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
            network.to(device).to(memory_format=order)  # type: ignore[call-overload]
        return self


def save_model(model: Model, path: str | Path) -> None:
    """Write all networks in the model's precision; QuicksilverError where that cannot be done."""
    kind = torch.float16 if model.config.precision == "half" else torch.float32
    tensors = {
        f"{prefix}.{name}": value.detach().to(kind).contiguous().cpu()
        for prefix, network in model.networks().items()
        for name, value in network.state_dict().items()
    }
    metadata = {"config": json.dumps(dataclasses.asdict(model.config))}
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:  # which is no OSError, whatever the disk said
            raise OSError(str(error)) from error


def load_model(path: str | Path) -> Model:
    """Read what `save_model` wrote, in float32, ready to predict; QuicksilverError if it is
    anything else."""
    path = require_file(path, "a model")
    try:
        with safe_open(path, framework="pt") as file:
            config = _config((file.metadata() or {})["config"])
            names = file.keys()
            tensors = {name: file.get_tensor(name).float() for name in names}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _not_a_model(path, f"'{error}'") from error

    def network(prefix: str) -> MomentumNetwork | None:
        state = _with_prefix(tensors, f"{prefix}.")
        return _filled(config, state, path) if state else None

    prediction = _filled(config, _with_prefix(tensors, "prediction."), path)
    return Model(config, prediction, network("correction"), network("coarse_correction"))


def _config(text: str) -> ModelConfig:
    config = ModelConfig(**json.loads(text))
    if config.intensity == INTENSITY_0_1:
        config.intensity = "percentile"
    counts = {name: getattr(config, name) for name in COUNTS}
    wrong = {name: value for name, value in counts.items() if value < 1}
    if config.intensity not in INTENSITIES:
        wrong["intensity"] = config.intensity
    if config.sharpness is not None and config.sharpness <= 0:
        wrong["sharpness"] = config.sharpness
    if config.metric["gamma"] <= 0:
        wrong["metric"] = config.metric
    if wrong:
        raise ValueError(", ".join(f"{name} {value}" for name, value in wrong.items()))
    config.fluid_metric()  # refuses what else is none
    return config


def shipped_models() -> list[str]:
    """The names of the models that ship with the package."""
    return sorted(
        file.name.removesuffix(SUFFIX) for file in WEIGHTS.iterdir() if SUFFIX in file.name
    )


def default_model() -> Model:
    """The model that `register` takes where none is named, one of those that ship with the package."""
    return open_model(DEFAULT)


def open_model(path: str | os.PathLike[str] | None) -> Model:
    """The model of a file in either format, or one that ships, by its name; the default where None.

    >>> open_model("default-2mm").config.spacing
    2.0
    """
    name = DEFAULT if path is None else os.fspath(path)
    if name in shipped_models():
        with as_file(WEIGHTS / f"{name}{SUFFIX}") as file:
            return load_model(file)
    assert path is not None
    published = Path(path).name.endswith((".pth.tar", ".pth", ".tar"))
    return load_published(Path(path)) if published else load_model(Path(path))


def load_published(
    prediction: str | Path, correction: str | Path | None = None, dropout: bool = False
) -> Model:
    """Read published Quicksilver checkpoints (`.pth.tar`) of a prediction and, if given, a
    correction network.

    They are read without unpickling objects. The model's settings are those of the prediction
    network: its metric, and the original's integrator, border rules and scale of intensities.
    dropout: whether the weights are of the probabilistic form, which a checkpoint does not say.
    Raises QuicksilverError where a file is missing or is not laid out as the published ones are.
    """
    checkpoint = _read_published(prediction)
    config = _published_config(checkpoint, prediction)
    config.dropout = dropout
    network = _filled(config, _published_state(checkpoint), prediction)
    if correction is None:
        return Model(config, network)
    checkpoint = _read_published(correction)
    other = _published_config(checkpoint, correction)
    if (other.features, other.axes_reversed) != (config.features, config.axes_reversed):
        raise QuicksilverError(
            f"expected {correction} to have the architecture of {prediction}, found "
            f"{other.features} features instead of {config.features} or another order of axes; "
            "give two checkpoints of one model"
        )
    return Model(config, network, _filled(config, _published_state(checkpoint), correction))


def _read_published(path: str | Path) -> dict[str, Any]:
    path = require_file(path, "a model")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on damaged bytes the reader raises whatever it stumbles over
        raise _not_published(path, "something that does not load as plain tensors") from error
    if not isinstance(checkpoint, Mapping):
        raise _not_published(path, f"a {type(checkpoint).__name__}")
    absent = [key for key in PUBLISHED_KEYS if key not in checkpoint]
    if absent:
        raise _not_published(path, f"a file without {', '.join(absent)}")
    return dict(checkpoint)


def _published_config(checkpoint: dict[str, Any], path: str | Path) -> ModelConfig:
    try:
        shooting = checkpoint["deformation_params"]
        alpha, beta, gamma = (float(value) for value in shooting["diffOpParams"])
        config = ModelConfig(
            features=int(checkpoint["network_feature"]),
            axes_reversed=bool(checkpoint.get("matlab_t7", False)),
            patch_size=int(checkpoint["patch_size"]),
            spacing=1.0,
            metric={"alpha": alpha, "beta": beta, "gamma": gamma, "power": 1},
            method=str(shooting["integMethod"]).lower(),
            steps=int(shooting["timeSteps"]),
            borders="original",
            inverse_iterations=int(shooting["NIterForInverse"]),
            intensity="maximum",
            precision="single",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _not_published(path, f"settings without or with an unusable {error}") from error
    if config.patch_size != PATCH_SIZE or config.method != "rk4":
        found = f"patches of {config.patch_size} and integrator {config.method}"
        raise _not_published(path, f"{found} instead of {PATCH_SIZE} and rk4")
    return config


def _published_state(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights; a DataParallel wrapper has written `module.` before every name."""
    return {k.removeprefix("module."): value for k, value in checkpoint["state_dict"].items()}


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _filled(config: ModelConfig, state: Mapping[str, Tensor], path: str | Path) -> MomentumNetwork:
    try:
        with torch.device("meta"):  # no memory for what a file may claim and does not hold
            network = config.network()
        network.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise _not_a_model(path, f"other tensors ('{reason}')") from error
    return network.eval()


def _not_a_model(path: str | Path, found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected {path} to hold the tensors and settings of a Quicksilver network, "
        f"found {found}; give a file written by 'quicksilver train' or a published checkpoint"
    )


def _not_published(path: str | Path, found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected {path} to be a published Quicksilver checkpoint with "
        f"{', '.join(PUBLISHED_KEYS)}, found {found}; give the original .pth.tar file"
    )
