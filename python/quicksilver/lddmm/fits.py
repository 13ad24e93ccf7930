"""Files of fitted pairs: what the networks are trained on, and lists of pairs to fit.

One HDF5 file holds one pair: the two images and the momentum between them, on one grid, in half
precision. That rounds intensities by at most 5e-4 and momenta by 5e-4 of their value, far
below the noise of either; and a file that holds its own images needs nothing beside it. Its
attributes, JSON, say where the pair comes from and how it was fitted.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import replacing, require_file

SUFFIX = ".h5"

UNITS = {
    "moving": "intensity, 99th percentile of the non-zero voxels at 1",
    "target": "intensity, 99th percentile of the non-zero voxels at 1",
    "momentum": "initial momentum in voxels of this grid, components along array axes",
}
"""The data sets of a file."""


@dataclass(frozen=True)
class FittedPair:
    """moving, target (1, 1, *S) and the initial momentum (1, 3, *S) in voxel units, all in half
    precision.

    `about` says where they come from, in what JSON can say: names, metric, settings, energies.
    """

    moving: Tensor
    target: Tensor
    momentum: Tensor
    about: dict[str, Any] = field(default_factory=dict)


def save_pair(pair: FittedPair, path: str | Path) -> None:
    """Write one pair; QuicksilverError where the file cannot be written."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, unit in UNITS.items():
            data = getattr(pair, name).detach().half().cpu().numpy()
            # Whole components as chunks: training reads whole files.
            chunk = (1, 1, *data.shape[2:])
            options = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
            file.create_dataset(name, data=data, chunks=chunk, **options)
            file[name].attrs["unit"] = unit
        for key, value in pair.about.items():
            file.attrs[key] = json.dumps(value)


def load_pair(path: str | Path) -> FittedPair:
    """Read one pair; QuicksilverError where the file is not one."""
    try:
        with h5py.File(path, "r") as file:
            about = {key: json.loads(value) for key, value in file.attrs.items()}
            moving, target, momentum = (torch.from_numpy(file[name][()]) for name in UNITS)
        return FittedPair(moving, target, momentum, about)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise QuicksilverError(
            f"expected {path} to hold a fitted pair, found '{error}'; write it again with "
            "'quicksilver fit --pairs'"
        ) from error


def pair_files(folder: str | Path) -> list[Path]:
    """The files of a folder of pairs, by name; QuicksilverError where there is none."""
    files = sorted(p for p in Path(folder).glob(f"*{SUFFIX}") if not p.name.startswith("."))
    if not files:
        raise QuicksilverError(
            f"expected fitted pairs (*{SUFFIX}) in {folder}, found none; write some with "
            "'quicksilver fit --pairs'"
        )
    return files


@dataclass(frozen=True)
class PairPaths:
    """A pair of images to register, under a name, and what may come with them."""

    id: str
    moving: Path
    target: Path
    moving_labels: Path | None = None
    target_labels: Path | None = None
    moving_mask: Path | None = None
    target_mask: Path | None = None


def read_list(path: str | Path) -> list[PairPaths]:
    """The pairs of a CSV file with the columns of `PairPaths`: paths from its folder.

    Only moving and target must be there; an id is by default made of their names. Raises
    QuicksilverError, naming row (of the file, the columns' names being the first) and column, where
    an entry is missing or no file, or an id is not one file name or occurs twice.
    """
    path = require_file(path, "a list of pairs")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise QuicksilverError(
            f"expected {path} to be a CSV file with the columns moving and target, found "
            f"'{error}'; write one row of two image paths per pair"
        ) from error
    known = [f.name for f in fields(PairPaths)]
    if not {"moving", "target"} <= set(columns) <= set(known) or len(set(columns)) < len(columns):
        raise QuicksilverError(
            f"expected {path} to have the columns moving and target, each once, and no others "
            f"than {', '.join(known)}, found {', '.join(columns) or 'none'}; name them in its first row"
        )
    pairs: list[PairPaths] = []
    for number, row in enumerate(rows, start=2):
        pairs.append(_pair(path, number, row, {pair.id for pair in pairs}))
    return pairs


def _pair(path: Path, number: int, row: dict[str, str], taken: set[str]) -> PairPaths:
    """The pair of one row, whose id must not be taken."""

    def complain(column: str, expected: str, advice: str) -> QuicksilverError:
        return QuicksilverError(
            f"expected {expected} in row {number}, column {column} of {path}, found "
            f"'{row.get(column, '')}'; {advice}"
        )

    if "" in row:
        raise QuicksilverError(
            f"expected {len(row) - 1} entries in row {number} of {path}, found more; "
            "quote paths with commas"
        )
    files = {}
    for column, entry in row.items():
        if column == "id" or not (entry or column in ("moving", "target")):
            continue
        files[column] = path.parent / entry
        try:
            require_file(files[column], "a file")
        except QuicksilverError as error:
            advice = "give it from the folder of the list"
            raise complain(column, "the path of a file", advice) from error
    name = row.get("id") or f"{_stem(files['moving'])}-{_stem(files['target'])}"
    if name in taken or name != Path(name).name or name.startswith("."):
        expected = "a file name that no row before has (by default that of both images)"
        raise complain("id", expected, f"'{name}' is not; give another")
    return PairPaths(name, **files)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")
