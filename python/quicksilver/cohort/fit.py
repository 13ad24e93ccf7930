"""Fits of a list of pairs, shared by any number of processes: the data sets of fitted momenta."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.cohort.pairs import PairPaths
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.images.intensity import normalise
from quicksilver.io.images import read_image
from quicksilver.lddmm import matching
from quicksilver.lddmm.fits import SUFFIX, FittedPair, save_pair
from quicksilver.lddmm.unfolding import unfolded
from quicksilver.results.folder import versions
from quicksilver.runtime import distributed
from quicksilver.transforms.folds import count_folds

Tell = Callable[[str], None]

OTHERS = ("target", "moving_mask", "target_mask")
"""What must lie on the moving image's grid."""


def fit_list(
    pairs: Sequence[PairPaths],
    folder: str | Path,
    metric: qs.FluidMetric,
    settings: matching.FitSettings | None = None,
    *,
    batch: int = 1,
    device: torch.device | str = "cpu",
    tell: Tell = lambda detail: None,
) -> list[Path]:
    """Fit every pair of a list that has no file in `folder` yet; returns the files written.

    The images of a pair must lie on one grid (aligned and resampled alike), in whose voxels the
    metric and the momentum are; up to `batch` pairs in turn whose grids have equal sizes are fitted
    together. Of several processes (`torchrun`) each takes every n-th pair. A file is complete or
    absent, and what is under way saves its state beside them: stop at any time and call again.
    tell: told of every iteration. What still folds is damped (`quicksilver.lddmm.unfolding`).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings or matching.FitSettings()
    own = pairs[distributed.rank() :: distributed.count()]
    missing = [pair for pair in own if not _file(folder, pair).exists()]
    done: list[Path] = []
    for group in _batches(missing, batch):
        state = folder / f".{group[0].paths.id}.state"
        images = _stacked([loaded.images for loaded in group]).each(lambda t: t.to(device))
        counted = partial(_tell, tell, f"{len(done)} of {len(missing)} pairs", group)
        fit = matching.fit(images, metric, settings, state=state, progress=counted)
        fitted = [
            _fitted(*one, metric, settings)
            for one in zip(group, fit.momentum.split(1), fit.energies, strict=True)
        ]
        # All at once: who is missing from a batch that is begun again changes the others' state.
        for loaded, pair in zip(group, fitted, strict=True):
            done.append(_file(folder, loaded.paths))
            save_pair(pair, done[-1])
        state.unlink(missing_ok=True)
    return done


@dataclass(frozen=True)
class _Loaded:
    paths: PairPaths
    grid: Grid
    images: matching.Images


def _tell(
    tell: Tell,
    count: str,
    group: Sequence[_Loaded],
    row: int,
    level: int,
    iteration: int,
    energy: float,
) -> None:
    place = f"level {level}, iteration {iteration}, energy {energy:.5g}"
    tell(f"{count}, {group[row].paths.id}: {place}")


def _fitted(
    loaded: _Loaded,
    momentum: Tensor,
    energies: list[list[float]],
    metric: qs.FluidMetric,
    settings: matching.FitSettings,
) -> FittedPair:
    """What is written of a pair, its momentum free of folds."""
    tame = unfolded(momentum, lambda m: qs.shoot(m, metric, steps=settings.steps))
    about = {
        **{name: str(path) for name, path in asdict(loaded.paths).items() if path},
        "affine": loaded.grid.affine.tolist(),
        "metric": asdict(metric),
        "settings": settings.to_json(),
        "energies": energies,
        "damping_rounds": tame.rounds,
        "folded_voxels": count_folds(tame.psi).voxels,
        "versions": versions(),
    }
    return FittedPair(loaded.images.moving, loaded.images.target, tame.momentum, about)


def _file(folder: Path, pair: PairPaths) -> Path:
    return folder / f"{pair.id}{SUFFIX}"


def _batches(pairs: Iterable[PairPaths], size: int) -> Iterator[list[_Loaded]]:
    """Pairs in turn, at most `size` at a time, while their grids have equal sizes."""
    group: list[_Loaded] = []
    for loaded in map(_load, pairs):
        if group and (len(group) == size or loaded.grid.shape != group[0].grid.shape):
            yield group
            group = []
        group.append(loaded)
    if group:
        yield group


def _load(paths: PairPaths) -> _Loaded:
    """The images of a pair, which must lie on one grid."""
    given = {name: getattr(paths, name) for name in ("moving", *OTHERS)}
    read = {name: read_image(path) for name, path in given.items() if path is not None}
    grid = read["moving"].grid
    for name, image in read.items():
        if not image.grid.matches(grid):
            raise QuicksilverError(
                f"expected {paths.moving} and {given[name]} on one grid, found shapes {grid.shape} "
                f"and {image.grid.shape} or other positions; resample both onto one aligned grid "
                "first"
            )
    images = {name: _tensor(image, name.endswith("mask")) for name, image in read.items()}
    return _Loaded(paths, grid, matching.Images(**images))


def _tensor(image: Image, mask: bool) -> Tensor:
    data = torch.from_numpy(image.data)[None, None]
    return (data > 0).float() if mask else normalise(data)


def _stacked(group: Sequence[matching.Images]) -> matching.Images:
    """One batch; who has no mask where another has one counts everywhere."""
    names = {name for images in group for name in images.given()}

    def rows(name: str) -> Tensor:
        ones = torch.ones_like(group[0].moving)
        return torch.cat([images.given().get(name, ones) for images in group])

    return matching.Images(**{name: rows(name) for name in names})
