"""Make the teacher's pairs for a training: LDDMM fits, and what a network leaves of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.fits import SUFFIX, FittedPair, load_pair, pair_files, save_pair
from quicksilver.lddmm.fitting import FitJob, fit_batch
from quicksilver.lddmm.matching import Matching
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import ModelConfig
from quicksilver.networks.shipped import open_model
from quicksilver.networks.tiling import predict_momentum
from quicksilver.runtime import distributed
from quicksilver.training.dataset import Volumes, make_frame
from quicksilver.training.forecast import Work
from quicksilver.training.recipe import Recipe
from quicksilver.training.settings import Fits

METRIC = {"alpha", "beta", "gamma", "power"}
"""The entries of a metric that decide what its momenta mean."""


def fit_pairs(
    subjects: Volumes, settings: Fits, metric: qs.FluidMetric, folder: Path, seed: int
) -> Path:
    """Fit random ordered pairs of subjects, shared among the processes; files that exist are kept.

    Returns:
        `folder`, complete, when every process is done.
    """
    assert settings.pairs is not None  # checked by the recipe
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    pairs = [
        torch.randperm(len(subjects), generator=generator)[:2].tolist()
        for _ in range(settings.pairs)
    ]
    first = None if settings.start is None else open_model(settings.start)
    for one, other in distributed.own_share(pairs):
        names = {"moving": subjects.names[one], "target": subjects.names[other]}
        file = folder / f"{names['moving']}-{names['target']}{SUFFIX}"
        if not file.exists():
            images = Images(subjects.image(one), subjects.image(other))
            start = None
            if first is not None:
                start = infer_momenta(first, images.moving, images.target)[-1]
            fit_batch([FitJob(file, images, names, start)], metric, settings.fitting())
    distributed.wait()
    return folder


def plan_fits(
    subjects: Volumes, settings: Fits, metric: qs.FluidMetric, folder: Path
) -> Iterator[Work]:
    """List the works of the fits that `fit_pairs` would make, for a forecast."""
    assert settings.pairs is not None  # checked by the recipe
    missing = settings.pairs - len(list(folder.glob(f"*{SUFFIX}")))
    if missing <= 0:
        return
    images, fitting = Images(subjects.image(0), subjects.image(1)), settings.fitting()
    matching = Matching.at(images, metric, fitting, 1)
    still = torch.zeros(1, 3, *images.moving.shape[2:], requires_grad=True)

    def evaluate() -> None:
        matching.energies(still, [0]).sum().backward()

    # A level evaluates its start, too, before it iterates.
    yield Work("fits", missing * (1 + sum(fitting.work())) / distributed.count(), evaluate)
    if settings.start is not None:
        model = open_model(settings.start)
        start = partial(infer_momenta, model, images.moving, images.target)
        yield Work("fits", missing / distributed.count(), start)


def check_fits(folder: Path, recipe: Recipe, held_out: Sequence[str]) -> None:
    """Check that networks of a recipe can learn from a folder of fits that `quicksilver fit` wrote.

    Args:
        folder: The folder.
        recipe: Says the frame and the metric.
        held_out: Names of the subjects that are not trained on.

    Raises:
        QuicksilverError: There is none, or one is on another grid, by another metric, or of a
            subject held out.
    """
    frame = make_frame(recipe.data)
    wanted = recipe.shooting.model_dump(include=METRIC)
    patterns = [recipe.data.named.replace("*", name) for name in held_out]
    for file in pair_files(folder):
        pair = load_pair(file)
        try:
            affine = np.array(pair.about.get("affine", frame.affine), dtype=float).reshape(4, 4)
            metric = {name: pair.about["metric"][name] for name in METRIC}
            intensity = pair.about.get("intensity", "percentile")
            images = [Path(pair.about[name]) for name in ("moving", "target")]
        except (KeyError, TypeError, ValueError) as error:
            raise _unlike(file, "that say what they are of", f"'{error}'") from error
        x, y, z = pair.moving.shape[2:]
        if not Grid((x, y, z), affine).matches(frame):
            raise _unlike(file, "on its frame", "one of another shape or position")
        if metric != wanted:
            raise _unlike(file, f"by its metric {wanted}", str(metric))
        if intensity != recipe.data.intensity:
            raise _unlike(file, f"of {recipe.data.intensity} intensities", str(intensity))
        for image in images:
            if image.name in held_out or any(map(image.match, patterns)):
                raise _unlike(file, "of no subject that is held out", image.name)


def _unlike(file: Path, expected: str, found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected fits of the recipe {expected}, found {found} in {file}; "
        "change the recipe, take the fit away, or write it again with 'quicksilver fit --pairs'"
    )


@torch.no_grad()
def write_residuals(
    pairs: Path, network: MomentumNetwork, model: ModelConfig, folder: Path
) -> Path:
    """Write fitted pairs for the correction network: the target warped back, and the momentum still
    missing.

    For every pair in `pairs`: (moving, target o phi) with phi from shooting the predicted momentum,
    and fitted minus predicted momentum. Files that exist are kept.

    Returns:
        `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in distributed.own_share(pair_files(pairs)):
        if (folder / file.name).exists():
            continue
        pair = load_pair(file)
        moving, target = pair.moving.float(), pair.target.float()
        predicted = predict_momentum(network, moving, target, model.stride)
        _, phi = model.shoot(predicted)
        missing = pair.momentum.float() - predicted
        save_pair(FittedPair(moving, qs.warp(target, phi), missing, pair.about), folder / file.name)
    distributed.wait()
    return folder
