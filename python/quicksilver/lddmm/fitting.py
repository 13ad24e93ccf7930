"""Fit pairs of images and write the files that networks are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.lddmm import matching
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.fits import FittedPair, save_pair
from quicksilver.lddmm.matching import FitProgress, FitSettings
from quicksilver.lddmm.unfolding import unfold
from quicksilver.transforms.folds import count_folds


@dataclass(frozen=True)
class FitJob:
    """A pair to fit.

    Args:
        file: File of its fit.
        images: In a batch of one.
        about: What the file says of it.
        start: Momentum (1, 3, X, Y, Z) that the fit starts from; None: zero.
    """

    file: Path
    images: Images
    about: dict[str, Any] = field(default_factory=dict)
    start: Tensor | None = None


def fit_batch(
    jobs: Sequence[FitJob],
    metric: qs.FluidMetric,
    settings: FitSettings,
    device: torch.device | str = "cpu",
    progress: FitProgress | None = None,
) -> None:
    """Fit pairs on grids of one size together and write their files.

    The state is saved beside the first file until all are written, so that a fit that is stopped
    goes on when it is called again with the same jobs. Folds that remain are smoothed away
    (`quicksilver.lddmm.unfolding`).

    Args:
        jobs: The pairs.
        metric: In voxels of the images' grid.
        settings: Of the fit.
        device: Computes.
        progress: Called after every iteration of a pair.
    """
    state = jobs[0].file.with_name(f".{jobs[0].file.stem}.state")
    images = _stack([job.images for job in jobs]).map(lambda image: image.to(device))
    start = torch.cat([_start(job) for job in jobs]).to(device)
    fit = matching.fit(images, metric, settings, start=start, state=state, progress=progress)
    shoot = partial(qs.shoot, metric=metric, steps=settings.steps)
    found = [unfold(momentum, shoot) for momentum in fit.momentum.split(1)]
    # All at once: a batch that is begun again without those already written has another state.
    for job, tame, energies in zip(jobs, found, fit.energies, strict=True):
        about = {
            **job.about,
            "metric": asdict(metric),
            "settings": settings.to_json(),
            "energies": energies,
            "damping_rounds": tame.rounds,
            "folded_voxels": count_folds(tame.psi).voxels,
        }
        pair = FittedPair(job.images.moving, job.images.target, tame.momentum, about)
        save_pair(pair, job.file)
    state.unlink(missing_ok=True)


def _start(job: FitJob) -> Tensor:
    if job.start is not None:
        return job.start
    return job.images.moving.new_zeros(1, 3, *job.images.moving.shape[2:])


def _stack(group: Sequence[Images]) -> Images:
    """Make one batch; an image without a mask where another has one counts everywhere."""
    names = {name for images in group for name in images.given()}

    def stack(name: str) -> Tensor:
        ones = torch.ones_like(group[0].moving)
        return torch.cat([images.given().get(name, ones) for images in group])

    return Images(**{name: stack(name) for name in names})
