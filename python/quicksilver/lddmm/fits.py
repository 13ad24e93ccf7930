"""Files of fitted pairs, which networks are trained on.

One HDF5 file holds one pair: the two images and the momentum between them, on one grid, in half
precision. That rounds intensities by at most 5e-4 and momenta by 5e-4 of their value, far below the
noise of either; and a file that holds its own images needs nothing beside it. Its attributes, JSON,
say where the pair comes from and how it was fitted.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import replacing, require_file
from quicksilver.runtime.devices import require_memory

SUFFIX = ".h5"


UNITS = {
    "moving": "intensity, normalised: background 0, at most 1.2",
    "target": "intensity, normalised: background 0, at most 1.2",
    "momentum": "initial momentum in voxels of this grid, components along array axes",
}
"""The data sets of a file."""


@dataclass(frozen=True)
class FittedPair:
    """A fitted pair, in half precision.

    Args:
        moving: (1, 1, X, Y, Z).
        target: (1, 1, X, Y, Z).
        momentum: (1, 3, X, Y, Z), the initial momentum in voxels.
        about: Where they come from, in what JSON can say: names, metric, settings, energies.
    """

    moving: Tensor
    target: Tensor
    momentum: Tensor
    about: dict[str, Any] = field(default_factory=dict)


def save_pair(pair: FittedPair, path: str | Path) -> None:
    """Write one pair.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    stream = io.BytesIO()  # HDF5's own writer brings the process down on a full disk
    with h5py.File(stream, "w") as file:
        for name, unit in UNITS.items():
            data = getattr(pair, name).detach().half().cpu().numpy()
            # Whole components as chunks: training reads whole files.
            chunk = (1, 1, *data.shape[2:])
            options = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
            file.create_dataset(name, data=data, chunks=chunk, **options)
            file[name].attrs["unit"] = unit
        for key, value in pair.about.items():
            file.attrs[key] = json.dumps(value)
    with replacing(path) as temporary:
        temporary.write_bytes(stream.getbuffer())


def load_pair(path: str | Path) -> FittedPair:
    """Read one pair.

    Raises:
        QuicksilverError: The file is not one.
    """
    require_file(path, "a fitted pair")
    try:
        with h5py.File(path, "r") as file:
            about = {key: json.loads(value) for key, value in file.attrs.items()}
            _check_pair(file)
            moving, target, momentum = (torch.from_numpy(file[name][()]) for name in UNITS)
        if not all(bool(part.isfinite().all()) for part in (moving, target, momentum)):
            raise ValueError("NaN or infinity")
        return FittedPair(moving, target, momentum, about)
    except QuicksilverError:
        raise
    except Exception as error:  # on damaged bytes the reader may raise anything
        raise QuicksilverError(
            f"expected {path} to hold a fitted pair, found '{error}'; write it again with "
            "'quicksilver fit --pairs'"
        ) from error


def _check_pair(file: Any) -> None:
    """Raise ValueError for data sets of other shapes or types than those of a fitted pair."""
    shape = file["moving"].shape
    if len(shape) != 5 or shape[:2] != (1, 1) or min(shape) < 1:
        raise ValueError(f"a moving image of shape {shape}")
    for name, channels in (("moving", 1), ("target", 1), ("momentum", 3)):
        stored = file[name]
        if stored.shape != (1, channels, *shape[2:]) or stored.dtype.kind != "f":
            raise ValueError(f"a {name} of shape {stored.shape} and type {stored.dtype}")
    needed = 5 * math.prod(shape) * file["momentum"].dtype.itemsize * 2
    require_memory(needed, torch.device("cpu"), "its data sets are too large: fit smaller images")


def pair_files(folder: str | Path) -> list[Path]:
    """List the files of a folder of pairs by name.

    Raises:
        QuicksilverError: There is none.
    """
    files = sorted(p for p in Path(folder).glob(f"*{SUFFIX}") if not p.name.startswith("."))
    if not files:
        raise QuicksilverError(
            f"expected fitted pairs (*{SUFFIX}) in {folder}, found none; write some with "
            "'quicksilver fit --pairs'"
        )
    return files
