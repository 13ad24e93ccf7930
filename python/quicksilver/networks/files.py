"""Read and write model files.

A file is one safetensors file: tensors `prediction.*`, `correction.*` and `coarse_correction.*`, in
half precision or as they were published, and the configuration as JSON in the metadata.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.io.tensors import write_tensors
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.model import Model, ModelConfig, fill_network, not_a_model
from quicksilver.networks.published import PUBLISHED
from quicksilver.networks.schema import check_config

INTENSITY_0_1 = (
    "divided by the 99th percentile of the non-zero voxels, clipped to [0, 1.2], background 0"
)
"""What files of version 0.1 have for "percentile"."""


def save_model(model: Model, path: str | Path) -> None:
    """Write all networks in the model's precision.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    kind = torch.float16 if model.config.precision == "half" else torch.float32
    tensors = {
        f"{prefix}.{name}": value.detach().to(kind).contiguous().cpu()
        for prefix, network in model.networks().items()
        for name, value in network.state_dict().items()
    }
    metadata = {"config": json.dumps(dataclasses.asdict(model.config))}
    write_tensors(path, tensors, metadata)


def require_model_name(path: str | Path) -> None:
    """Check that a model file to write does not end as a published checkpoint does.

    Raises:
        QuicksilverError: It would be read as one.
    """
    if Path(path).name.endswith(PUBLISHED):
        raise QuicksilverError(
            f"expected a model file, which ends in .safetensors, found {path}, as published "
            "checkpoints are named; rename it"
        )


def load_model(path: str | Path) -> Model:
    """Read what `save_model` wrote, in float32, ready to predict.

    Raises:
        QuicksilverError: The file is anything else.
    """
    path = require_file(path, "a model")
    try:
        with safe_open(path, framework="pt") as file:
            config = _read_config((file.metadata() or {})["config"])
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise not_a_model(path, f"'{error}'") from error

    def network(prefix: str) -> MomentumNetwork | None:
        state = _select_prefix(tensors, f"{prefix}.")
        return fill_network(config, state, path) if state else None

    prediction = fill_network(config, _select_prefix(tensors, "prediction."), path)
    return Model(config, prediction, network("correction"), network("coarse_correction"))


def _read_config(text: str) -> ModelConfig:
    entries = json.loads(text)
    unknown = set(entries) - {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown or "features" not in entries:
        raise ValueError(f"an unknown entry {min(unknown)}" if unknown else "no entry features")
    config = ModelConfig(**entries)
    if config.intensity == INTENSITY_0_1:
        config.intensity = "percentile"
    return check_config(config)


def _select_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
