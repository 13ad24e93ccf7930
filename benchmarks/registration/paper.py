"""Methods of the Quicksilver paper's experiments, and what they measure of a map beside overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from quicksilver.networks.files import load_model
from quicksilver.networks.shipped import DEFAULT_MODEL, shipped_models
from quicksilver.registration.evaluation import (
    PERCENTILES,
    measure_distances,
    measure_log_jacobian_sd,
)
from quicksilver.transforms.field import WorldField

from ..measuring.place import Record
from .methods import Found, Method, Subject, methods, model_file, predicting

MODELS = ("quicksilver-2017", DEFAULT_MODEL)
REFERENCE = "lddmm"
"""The method to whose deformation those of the others are compared."""

PROBABILISTIC = "probabilistic"
STRIDES = (14, 10, 7)
CORRECTIONS = (1, 2, 3)


def experiments(threads: int, samples: int, probabilistic: Path | None = None) -> dict[str, Method]:
    """Return all methods of the paper's experiments by name, the reference first.

    Momenta are shot as predicted: the energy decides nothing (`decide=False`), as in the paper.

    Args:
        threads: Of every method.
        samples: Of the probabilistic model.
        probabilistic: Its file; None: the one that ships, if one does.
    """
    known = methods(None, 0, threads)
    found = {name: known[name] for name in (REFERENCE, "affine", "syn")}
    for model in MODELS:
        found |= _predictions(model, threads)
    if probabilistic is None and PROBABILISTIC in shipped_models():
        probabilistic = model_file(PROBABILISTIC)
    if probabilistic is not None:
        found[PROBABILISTIC] = predicting(
            PROBABILISTIC, probabilistic, threads, decide=False, samples=samples
        )
    return found


def _predictions(model: str, threads: int) -> dict[str, Method]:
    """Return a model's prediction, at the strides that its network has, and its corrections."""
    path = model_file(model)
    patches = load_model(path).config.architecture == "patch"
    found = {}
    for stride in STRIDES if patches else STRIDES[:1]:
        name, config = name_prediction(model, stride), {"stride": stride} if patches else {}
        found[name] = predicting(name, path, threads, config, decide=False, correction=False)
    for count in CORRECTIONS:
        name = name_correction(model, count)
        found[name] = predicting(name, path, threads, {"corrections": count}, decide=False)
    return found


def name_prediction(model: str, stride: int = STRIDES[0]) -> str:
    """Name the prediction of a model by patches at a stride."""
    return f"{model}: prediction" + (f", stride {stride}" if stride != STRIDES[0] else "")


def name_correction(model: str, count: int) -> str:
    """Name the prediction of a model with a number of corrections."""
    return f"{model}: {count} correction{'s' if count > 1 else ''}"


def compare(found: Found, reference: WorldField, target: Subject) -> Record:
    """Measure a map beside a reference, in the target's brain on its grid.

    Returns:
        `difference_mm`, percentiles of the distance between where the two maps lead;
        `smallest_determinant` and `log_jacobian_sd` of the map; of dropout samples
        `uncertainty_rank`, Spearman's correlation of their standard deviation with that distance.
    """
    grid, brain = target.image.grid, target.image.data > 0
    displacement, inside = found.displacement.onto(grid), torch.from_numpy(brain)[None, None]
    distances = measure_distances(displacement, reference, brain)
    measured = {
        "difference_mm": [float(p) for p in np.percentile(distances, PERCENTILES)],
        "smallest_determinant": float(displacement.determinant()[inside].min()),
        "log_jacobian_sd": measure_log_jacobian_sd(displacement.in_voxels(), inside),
    }
    if found.deviation is not None:
        still = WorldField.identity(grid)
        deviation = measure_distances(found.deviation.onto(grid), still, brain)
        measured["uncertainty_rank"] = float(spearmanr(deviation, distances).statistic)
    return measured
