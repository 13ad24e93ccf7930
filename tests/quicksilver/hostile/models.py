"""Model files and checkpoints that are malformed or made to do harm, by name."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from quicksilver.networks.model import ModelConfig
from tests.quicksilver.hostile.files import (
    INF,
    NAN,
    Maker,
    holding,
    in_the_way,
    named,
    pipe,
    zipped,
)


class Harm:
    """Unpickled, it makes a folder."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("harm",)


def pickled(name: str) -> Maker:
    return holding(pickle.dumps(Harm()), name)


def torch_file(content: object, name: str) -> Maker:
    def make(folder: Path) -> Path:
        torch.save(content, folder / name)
        return folder / name

    return make


def safetensors(config: object, **tensors: torch.Tensor) -> Maker:
    def make(folder: Path) -> Path:
        text = config if isinstance(config, str) else json.dumps(config)
        content = tensors or {"prediction.a": torch.ones(1)}
        save_file(content, folder / "bad.safetensors", {"config": text})
        return folder / "bad.safetensors"

    return make


METRIC = {"alpha": 0.01, "beta": 0.01, "gamma": 0.001, "power": 1}
MODELS: dict[str, Maker] = {
    "absent": named("absent.safetensors"),
    "a folder": in_the_way("bad.safetensors"),
    "a pipe": pipe("bad.safetensors"),
    "empty": holding(b"", "bad.safetensors"),
    "a header beyond the end": holding(struct.pack("<Q", 2**60) + b"{}", "bad.safetensors"),
    "a header of words": holding(struct.pack("<Q", 5) + b"words", "bad.safetensors"),
    "a pickle for a model": pickled("bad.safetensors"),
    "a pickle for a checkpoint": pickled("bad.pth.tar"),
    "a pickle in a checkpoint": torch_file({"state_dict": Harm()}, "bad.pth.tar"),
    "a tensor for a checkpoint": torch_file(torch.ones(3), "bad.pth.tar"),
    "a checkpoint without weights": torch_file({"patch_size": 15}, "bad.pth"),
    "an empty checkpoint": holding(b"", "bad.pth.tar"),
    "an archive for a checkpoint": lambda folder: zipped(folder).rename(folder / "bad.pth"),
    "a pipe for a checkpoint": pipe("bad.pth.tar"),
    "half a configuration": safetensors('{"features": '),
    "a configuration of a list": safetensors([1, 2]),
    "an unknown setting": safetensors({"features": 2, "harm": True}),
    "an unknown architecture": safetensors({"features": 2, "architecture": "magic"}),
    "words for numbers": safetensors({"features": "many"}),
    "negative features": safetensors({"features": -1}),
    "far too many features": safetensors({"features": 10**7}),
    "a metric of words": safetensors({"features": 2, "metric": "strong"}),
    "a metric without gamma": safetensors({"features": 2, "metric": METRIC | {"gamma": 0}}),
    "a metric below zero": safetensors({"features": 2, "metric": METRIC | {"alpha": -1}}),
    "no steps": safetensors({"features": 2, "steps": 0}),
    "no sharpness": safetensors({"features": 2, "sharpness": 0}),
    "other tensors": safetensors({"features": 2}),
}

NUMBERS: dict[str, object] = {
    "spacing": [NAN, 0, "2", -1.0, 1e9],
    "method": ["evil", 3],
    "steps": [1.5, 10**9, "10"],
    "corrections": [0.5, 10**9],
    "coarse_corrections": [-1, 10**9],
    "inverse_iterations": [10**9],
    "stride": [0, 10**6],
    "sharpness": [NAN, -1.0],
    "borders": ["none"],
    "precision": ["double"],
    "dropout": ["yes"],
    "dropout_rate": [0.0, 1.0, NAN],
    "patch_size": [14],
    "metric": [METRIC | {"power": 10**9}, METRIC | {"gamma": NAN}, METRIC | {"gamma": 1e-9}, {}],
    "training_data": [7],
}
"""Entries of a model's configuration that no model has."""

MODELS |= {
    f"{name} {value}": safetensors({"features": 2, name: value})
    for name, values in NUMBERS.items()
    for value in values
}


def spoiled(change: Callable[[dict[str, torch.Tensor]], object]) -> Maker:
    """A whole model, some of whose tensors are others, missing, or too many."""

    def make(folder: Path) -> Path:
        config = ModelConfig(features=2, architecture="horizontal", steps=2)
        state = config.network().state_dict()
        tensors = {f"prediction.{name}": value.clone() for name, value in state.items()}
        change(tensors)
        save_file(tensors, folder / "bad.safetensors", {"config": json.dumps(asdict(config))})
        return folder / "bad.safetensors"

    return make


ENTRY = "prediction.entry.weight"
MODELS |= {
    "a tensor of another shape": spoiled(lambda t: t.update({ENTRY: t[ENTRY][:1].clone()})),
    "a tensor of one axis more": spoiled(lambda t: t.update({ENTRY: t[ENTRY][None].clone()})),
    "a tensor of nothing": spoiled(lambda t: t.update({ENTRY: torch.zeros(0)})),
    "a tensor of NaN": spoiled(lambda t: t[ENTRY].fill_(NAN)),
    "a tensor of infinity": spoiled(lambda t: t[ENTRY].fill_(INF)),
    "a tensor less": spoiled(lambda t: t.pop(ENTRY)),
    "a tensor more": spoiled(lambda t: t.update({"prediction.harm": torch.ones(1)})),
    "no prediction": spoiled(lambda t: [t.update({f"x{n}": t.pop(n)}) for n in list(t)]),
    "a correction of one tensor": spoiled(lambda t: t.update({"correction.a": torch.ones(1)})),
    "a coarse correction of one": spoiled(
        lambda t: t.update({"coarse_correction.a": torch.ones(1)})
    ),
    "complex tensors": spoiled(lambda t: t.update({ENTRY: t[ENTRY].to(torch.complex64)})),
}

SHOOTING = {"diffOpParams": [0.01, 0.01, 0.001], "integMethod": "RK4"}
SHOOTING |= {"timeSteps": 2, "NIterForInverse": 3}


def published(**changes: object) -> dict[str, object]:
    """A checkpoint that would be one if it had weights."""
    shooting = SHOOTING | changes
    state = {"a": torch.ones(1)}
    return {
        "patch_size": 15,
        "network_feature": 2,
        "state_dict": state,
        "deformation_params": shooting,
    }


def unpacking(folder: Path) -> Path:
    """A checkpoint that unpacks to a hundred times its size."""
    torch.save(published() | {"state_dict": {"a": torch.zeros(10**7)}}, folder / "whole.pth.tar")
    whole = zipfile.ZipFile(folder / "whole.pth.tar")
    with whole, zipfile.ZipFile(folder / "bad.pth.tar", "w", zipfile.ZIP_DEFLATED) as packed:
        for member in whole.namelist():
            packed.writestr(member, whole.read(member))
    (folder / "whole.pth.tar").unlink()
    return folder / "bad.pth.tar"


MODELS |= {
    "a checkpoint without gamma": torch_file(published(diffOpParams=[1, 1, 0]), "bad.pth.tar"),
    "a checkpoint of NaN": torch_file(published(diffOpParams=[1, 1, NAN]), "bad.pth.tar"),
    "a checkpoint below zero": torch_file(published(diffOpParams=[-1, 1, 1]), "bad.pth.tar"),
    "a checkpoint without steps": torch_file(published(timeSteps=0), "bad.pth.tar"),
    "a checkpoint of endless steps": torch_file(published(timeSteps=10**9), "bad.pth.tar"),
    "a checkpoint of infinite steps": torch_file(published(timeSteps=INF), "bad.pth.tar"),
    "a checkpoint of a list of weights": torch_file(published() | {"state_dict": [1]}, "bad.pth"),
    "a checkpoint of words": torch_file(published() | {"state_dict": {"a": "b"}}, "bad.pth"),
    "a checkpoint that unpacks": unpacking,
}
