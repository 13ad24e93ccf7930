"""Read published Quicksilver checkpoints (`.pth.tar`)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.networks.model import Model, ModelConfig, fill_network
from quicksilver.networks.patch import PATCH_SIZE
from quicksilver.networks.schema import check_config

PUBLISHED = (".pth.tar", ".pth", ".tar")
"""How the names of published checkpoints end."""

PUBLISHED_KEYS = ("patch_size", "network_feature", "state_dict", "deformation_params")


def load_published(
    prediction: str | Path, correction: str | Path | None = None, dropout: bool = False
) -> Model:
    """Read published Quicksilver checkpoints (`.pth.tar`) of a prediction and a correction network.

    They are read without unpickling objects. The model's settings are those of the prediction
    network: its metric, and the original's integrator, border rules and scale of intensities.

    Args:
        prediction: Checkpoint of the prediction network.
        correction: Checkpoint of the correction network; None: the model predicts alone.
        dropout: Whether the weights are of the probabilistic form, which a checkpoint does not say.

    Raises:
        QuicksilverError: A file is missing or not laid out as the published ones are.
    """
    checkpoint = _read_published(prediction)
    config = _published_config(checkpoint, prediction)
    config.dropout = dropout
    network = fill_network(config, _published_state(checkpoint, prediction), prediction)
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
    return Model(
        config, network, fill_network(config, _published_state(checkpoint, correction), correction)
    )


def _read_published(path: str | Path) -> dict[str, Any]:
    path = require_file(path, "a model")
    try:
        _check_size(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on damaged bytes the reader may raise anything
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
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _not_published(path, f"settings without or with an unusable {error}") from error
    if config.patch_size != PATCH_SIZE or config.method != "rk4":
        found = f"patches of {config.patch_size} and integrator {config.method}"
        raise _not_published(path, f"{found} instead of {PATCH_SIZE} and rk4")
    try:
        return check_config(config)
    except ValueError as error:
        raise _not_published(path, f"an unusable {error}") from error


def _published_state(checkpoint: dict[str, Any], path: str | Path) -> dict[str, Tensor]:
    """Return the weights without the `module.` that a DataParallel wrapper writes before every
    name.
    """
    state = checkpoint["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise _not_published(path, "a state_dict that holds no tensors by name")
    return {str(k).removeprefix("module."): value for k, value in state.items()}


def _check_size(path: Path) -> None:
    """Raise ValueError for an archive that unpacks to more than it holds: torch packs nothing."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > path.stat().st_size:
            raise ValueError(f"an archive that unpacks to {size} bytes")


def _not_published(path: str | Path, found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected {path} to be a published Quicksilver checkpoint with "
        f"{', '.join(PUBLISHED_KEYS)}, found {found}; give the original .pth.tar file"
    )
