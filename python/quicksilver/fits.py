"""Files of fitted pairs: what the networks are trained on.

One safetensors file holds one pair: the two images and the momentum between them, on one grid, in
half precision. That rounds intensities by at most 5e-4 and momenta by 5e-4 of their value, far
below the noise of either; and a file that holds its own images needs nothing beside it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import quicksilver_ext as qs
from quicksilver import lddmm
from quicksilver.errors import QuicksilverError
from quicksilver.files import replacing
from quicksilver.images import Image, normalise, read_image

SUFFIX = ".safetensors"
FIELDS = ("moving", "target", "momentum")


@dataclass(frozen=True)
class FittedPair:
    """moving, target (1, 1, *S) and the initial momentum (1, 3, *S) in voxel units, all in half
    precision.

    `about` says where they come from: names, metric, energies.
    """

    moving: Tensor
    target: Tensor
    momentum: Tensor
    about: dict[str, Any] = field(default_factory=dict)


def save_pair(pair: FittedPair, path: str | Path) -> None:
    """Write one pair; QuicksilverError where the file cannot be written."""
    tensors = {name: getattr(pair, name).detach().half().contiguous().cpu() for name in FIELDS}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"about": json.dumps(pair.about)})


def load_pair(path: str | Path) -> FittedPair:
    """Read one pair; QuicksilverError where the file is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            moving, target, momentum = (file.get_tensor(name) for name in FIELDS)
        return FittedPair(moving, target, momentum, about)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
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


def read_list(path: str | Path) -> list[tuple[Path, Path]]:
    """The pairs of a CSV file with the columns `moving` and `target`: paths from its folder."""
    path = Path(path)
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return [(path.parent / row["moving"], path.parent / row["target"]) for row in rows]
    except (OSError, KeyError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise QuicksilverError(
            f"expected {path} to be a CSV file with the columns moving and target, found "
            f"'{error}'; write one row of two image paths per pair"
        ) from error


def fit_list(
    pairs: Sequence[tuple[Path, Path]],
    folder: str | Path,
    metric: qs.FluidMetric,
    *,
    part: tuple[int, int] = (0, 1),
    report: Callable[[Path, list[list[float]]], None] | None = None,
    **options: Any,
) -> list[Path]:
    """Fit every pair of images that has no file in `folder` yet; returns the files of all.

    The two images of a pair must lie on one grid (aligned and resampled alike), in whose voxels the
    metric and the momentum are. `part=(k, n)`: only every n-th pair from the k-th on, so that n
    processes share a list. `options` are those of `quicksilver.lddmm.fit`. A file is complete or
    absent: stop at any time and call again. report(file, energies) is called after each fit.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for moving_path, target_path in pairs[part[0] :: part[1]]:
        file = folder / f"{_stem(moving_path)}-{_stem(target_path)}{SUFFIX}"
        files.append(file)
        if file.exists():
            continue
        moving, target = _on_one_grid(moving_path, target_path)
        fit = lddmm.fit(moving, target, metric, **options)
        names = {"moving": moving_path.name, "target": target_path.name}
        about = {**names, "metric": asdict(metric), "options": options, "energies": fit.energies}
        save_pair(FittedPair(moving, target, fit.momentum, about), file)
        if report is not None:
            report(file, fit.energies)
    return files


def _on_one_grid(moving_path: Path, target_path: Path) -> tuple[Tensor, Tensor]:
    moving, target = read_image(moving_path), read_image(target_path)
    if not moving.grid.matches(target.grid):
        raise QuicksilverError(
            f"expected {moving_path} and {target_path} on one grid, found shapes "
            f"{moving.data.shape} and {target.data.shape} or other positions; resample both onto "
            "one aligned grid first"
        )
    return _tensor(moving), _tensor(target)


def _tensor(image: Image) -> Tensor:
    return normalise(torch.from_numpy(image.data)[None, None])


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")
