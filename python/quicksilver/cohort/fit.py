"""Fit a list of pairs, shared by any number of processes: the data sets of fitted momenta."""

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
from quicksilver.images.image import Image
from quicksilver.images.intensity import Intensity, normalise
from quicksilver.io.images import count_voxels, read_image
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.fits import SUFFIX
from quicksilver.lddmm.fitting import FitJob, fit_batch
from quicksilver.lddmm.matching import FitSettings
from quicksilver.registration.pair import fitting_memory
from quicksilver.results.folder import collect_versions
from quicksilver.runtime import distributed
from quicksilver.runtime.devices import require_memory
from quicksilver.runtime.stages import Detail

Tell = Callable[[str], None]

OTHERS = ("target", "moving_mask", "target_mask")
"""Images that must lie on the moving image's grid."""


def fit_list(
    pairs: Sequence[PairPaths],
    folder: str | Path,
    metric: qs.FluidMetric,
    settings: FitSettings | None = None,
    *,
    batch: int = 1,
    intensity: Intensity = "percentile",
    device: torch.device | str = "cpu",
    tell: Tell = lambda detail: None,
) -> list[Path]:
    """Fit every pair of a list that has no file in `folder` yet.

    Of several processes (`torchrun`) each takes every n-th pair. A file is complete or absent, and
    what is under way saves its state beside them: stop at any time and call again.

    Args:
        pairs: The images of a pair must lie on one grid (aligned and resampled alike), in whose
            voxels the metric and the momentum are.
        folder: Folder of the files.
        metric: In voxels of each pair's grid.
        settings: Of the fits.
        batch: Largest number of consecutive pairs, on grids of equal sizes, that are fitted
            together.
        intensity: How `quicksilver.images.intensity.normalise` scales the images.
        device: Computes.
        tell: Told of every iteration.

    Returns:
        The files written.

    Raises:
        QuicksilverError: After all others are fitted: an image cannot be read, two of a pair lie on
            different grids, or memory is not enough.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(pair, folder / f"{pair.id}{SUFFIX}") for pair in distributed.own_share(pairs)]
    missing = [(pair, file) for pair, file in jobs if not file.exists()]
    chosen, where = settings or FitSettings(), torch.device(device)
    done: list[Path] = []
    failed: list[QuicksilverError] = []
    memory = fitting_memory(chosen.steps) * batch
    load = partial(_load_or_note, failed, memory, where, intensity)
    for group in _batches(missing, batch, load):
        now = Fitting(chosen, [job.file.stem for job in group], len(done), len(missing))
        progress = partial(_tell, tell, now)
        fit_batch(group, metric, chosen, device, progress)
        done += [job.file for job in group]
    if failed:
        more = f" (and {len(failed) - 1} pairs more are not fitted)" if len(failed) > 1 else ""
        raise QuicksilverError(f"{failed[0]}{more}")
    return done


def _load_or_note(
    failed: list[QuicksilverError],
    memory: float,
    device: torch.device,
    intensity: Intensity,
    paths: PairPaths,
    file: Path,
) -> FitJob | None:
    """Read a pair for which there is memory, in bytes per voxel; note why it cannot be fitted."""
    try:
        voxels = count_voxels(paths.moving)
        advice = f"{paths.moving} has {voxels / 1e6:.1f} million voxels: crop it, or lower --batch"
        require_memory(memory * voxels, device, advice)
        return _load(paths, file, intensity)
    except QuicksilverError as error:
        failed.append(error)
        return None


@dataclass(frozen=True)
class Fitting:
    """A batch that is fitted: its pairs, and how many of the list are `done` before it."""

    settings: FitSettings
    ids: Sequence[str]
    done: int
    count: int


def _tell(tell: Tell, batch: Fitting, row: int, level: int, iteration: int, energy: float) -> None:
    words = (
        f"{batch.done} of {batch.count} pairs, {batch.ids[row]}: level {level}, iteration "
        f"{iteration}, energy {energy:.5g}"
    )
    fitted = batch.done + len(batch.ids) * batch.settings.part_done(level, iteration)
    tell(Detail(words, fitted / batch.count))


def _batches(
    pairs: Iterable[tuple[PairPaths, Path]],
    size: int,
    load: Callable[[PairPaths, Path], FitJob | None],
) -> Iterator[list[FitJob]]:
    """Group consecutive pairs, at most `size`, whose grids have equal sizes; skip None."""
    group: list[FitJob] = []
    for paths, file in pairs:
        job = load(paths, file)
        if job is None:
            continue
        if group and (
            len(group) == size or job.images.moving.shape != group[0].images.moving.shape
        ):
            yield group
            group = []
        group.append(job)
    if group:
        yield group


def _load(paths: PairPaths, file: Path, intensity: Intensity) -> FitJob:
    """Read the images of a pair, which must lie on one grid."""
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
    images = {
        name: _tensor(image, name.endswith("mask"), intensity) for name, image in read.items()
    }
    about = {
        **{name: str(path) for name, path in asdict(paths).items() if path},
        "affine": grid.affine.tolist(),
        "intensity": intensity,
        "versions": collect_versions(),
    }
    return FitJob(file, Images(**images), about)


def _tensor(image: Image, mask: bool, intensity: Intensity = "percentile") -> Tensor:
    data = torch.from_numpy(image.data)[None, None]
    return (data > 0).float() if mask else normalise(data, intensity)
