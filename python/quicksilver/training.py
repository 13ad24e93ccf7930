"""Training of a model: the prediction network, then the correction network on what it leaves.

A folder of training holds all of its state: `prediction.pt` and `correction.pt` (checkpoints),
`residuals/` and `residuals-validation/` (fitted pairs for the second network), `log.jsonl`, and at
the end `model.safetensors`. Called again with the same folder, training goes on where it was
stopped.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import quicksilver_ext as qs
from quicksilver.datasets import Patches
from quicksilver.fits import FittedPair, load_pair, pair_files, save_pair
from quicksilver.models import Model, ModelConfig, save_model
from quicksilver.networks import MomentumNetwork
from quicksilver.prediction import predict_momentum
from quicksilver.trainer import Report, Trainer, TrainingConfig, scaled

GAP = 16
"""Voxels of background that the metric adds around the fits' volumes, whose margin may be small."""

CORRECTION_START = 0.6
"""The correction network begins as this part of the prediction network, which has learned from like images
what momentum a difference wants; on validation pairs the mismatch was lowest between 0.5 and 0.75."""


def train(
    fits: str | Path,
    validation: str | Path,
    folder: str | Path,
    model: ModelConfig,
    prediction: TrainingConfig,
    correction: TrainingConfig,
    report: Report = lambda record: None,
) -> Model:
    """Train both networks of a model and write it to `folder`/model.safetensors.

    fits, validation: folders of fitted pairs, as `quicksilver fit --pairs` writes them; no person
    may be in both. model: the architecture, metric and integrator; its `settings` and `results` are
    filled in here. report: see `quicksilver.trainer.Report`; the records go to log.jsonl as well.
    Raises QuicksilverError where a folder holds no fits.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    metric = model.fluid_metric(pad=GAP)

    def stage(
        name: str,
        pairs: Path,
        held_out: Path,
        config: TrainingConfig,
        start: MomentumNetwork | None = None,
    ) -> MomentumNetwork:
        log = _Log(folder / "log.jsonl", name, report)
        patches = Patches([load_pair(file) for file in pair_files(pairs)], config.strength)
        trainer = Trainer(model.network(), patches, metric, config, folder / f"{name}.pt", start)
        return trainer.run(lambda network: momentum_errors(network, held_out, metric), log)

    first = stage("prediction", Path(fits), Path(validation), prediction)
    residuals = write_residuals(fits, first, model, folder / "residuals")
    held_out = write_residuals(validation, first, model, folder / "residuals-validation")
    begin = scaled(first, CORRECTION_START)
    second = stage("correction", residuals, held_out, correction, begin)
    settings = {
        "prediction": dataclasses.asdict(prediction),
        "correction": dataclasses.asdict(correction),
    }
    result = Model(replace(model, settings=settings), first.eval(), second.eval())
    result.config.results = judge(result, validation)
    save_model(result, folder / "model.safetensors")
    return result


@torch.no_grad()
def write_residuals(
    pairs: str | Path, network: MomentumNetwork, model: ModelConfig, folder: str | Path
) -> Path:
    """Fitted pairs for the correction network: the target warped back, and the momentum still
    missing.

    For every pair in `pairs`: (moving, target o phi) with phi from shooting the predicted momentum,
    and fitted minus predicted momentum. Files that exist are kept. Returns `folder`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file in pair_files(pairs):
        if (folder / file.name).exists():
            continue
        pair = load_pair(file)
        moving, target = pair.moving.float(), pair.target.float()
        predicted = predict_momentum(network, moving, target, model.stride)
        _, phi = model.shoot(predicted, GAP)
        missing = pair.momentum.float() - predicted
        save_pair(FittedPair(moving, qs.warp(target, phi), missing, pair.about), folder / file.name)
    return folder


def momentum_errors(
    network: MomentumNetwork, pairs: str | Path, metric: qs.FluidMetric
) -> dict[str, float]:
    """Errors of predicted momenta, relative to those of the prediction zero; means over the pairs.

    `momentum`: L1. `velocity`: L2 norm of the velocity.
    """
    errors = []
    for file in pair_files(pairs):
        pair = load_pair(file)
        momentum = pair.momentum.float()
        missing = momentum - predict_momentum(network, pair.moving.float(), pair.target.float())
        velocity = metric.sharp(missing).norm() / metric.sharp(momentum).norm()
        errors.append([(missing.abs().sum() / momentum.abs().sum()).item(), velocity.item()])
    momentum_error, velocity_error = torch.tensor(errors).mean(dim=0).tolist()
    return {"momentum": round(momentum_error, 4), "velocity": round(velocity_error, 4)}


@torch.no_grad()
def judge(model: Model, pairs: str | Path) -> dict[str, Any]:
    """What the model reaches on fitted pairs that it was not trained on; means over the pairs.

    Mismatch |moving o psi - target|^2 relative to that before registration, for the fit, the
    prediction and the correction; and the smallest determinant of all corrected maps.
    """
    assert model.correction is not None
    mismatches, smallest = [], float("inf")
    for file in pair_files(pairs):
        pair = load_pair(file)
        moving, target = pair.moving.float(), pair.target.float()
        predicted = predict_momentum(model.prediction, moving, target, model.config.stride)
        psi, phi = model.config.shoot(predicted, GAP)
        back = qs.warp(target, phi)
        missing = predict_momentum(model.correction, moving, back, model.config.stride)
        corrected, _ = model.config.shoot(predicted + missing, GAP)
        fitted, _ = model.config.shoot(pair.momentum.float(), GAP)
        before = (moving - target).square().sum()
        maps = (fitted, psi, corrected)
        mismatches.append(
            [((qs.warp(moving, u) - target).square().sum() / before).item() for u in maps]
        )
        smallest = min(smallest, qs.jacobian_determinant(corrected).min().item())
    names = ("fit", "prediction", "correction")
    means = torch.tensor(mismatches).mean(dim=0).tolist()
    mismatch = {name: round(value, 4) for name, value in zip(names, means, strict=True)}
    return {
        "pairs": len(mismatches),
        "mismatch": mismatch,
        "smallest_determinant": round(smallest, 4),
    }


@dataclass(frozen=True)
class _Log:
    """Appends every record, with its stage, to a file of JSON lines, and passes it on."""

    path: Path
    stage: str
    report: Report

    def __call__(self, record: dict[str, Any]) -> None:
        record = {"stage": self.stage, **record}
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        self.report(record)
