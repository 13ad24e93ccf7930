"""Quality of LDDMM fits: ``python -m benchmarks.fits FOLDER MOVING:TARGET ... [options]``.

FOLDER holds NAME_t1.nii.gz and NAME_lab.nii.gz for every name, on one grid, in whose voxels the fit
is. For every pair writes a row of a Markdown table to standard output (overlap of labels warped by
nearest neighbour on that grid, squared difference left, folded voxels before and after they are
damped, the rounds of damping, seconds of the fit) and then its energies by level and iteration.
With --refine N also the fit of N iterations from the default model's prediction.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.intensity import normalise
from quicksilver.io.images import read_image
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.losses import LNCC, SSD
from quicksilver.lddmm.matching import FitSettings, fit
from quicksilver.lddmm.metric import pad_metric
from quicksilver.lddmm.unfolding import unfold
from quicksilver.networks.inference import infer_momentum
from quicksilver.networks.shipped import default_model
from quicksilver.registration.evaluation import judge_labels
from quicksilver.transforms.field import WorldField
from quicksilver.transforms.folds import count_folds

from .measuring.machine import machine

METRIC = pad_metric(qs.FluidMetric())


def tensors(folder: Path, pair: str) -> list[Tensor]:
    images = [read_image(folder / f"{name}_t1.nii.gz") for name in pair.split(":")]
    return [normalise(torch.from_numpy(image.data)[None, None]) for image in images]


def overlap(folder: Path, pair: str, psi: Tensor) -> float:
    moving, target = (
        read_image(folder / f"{name}_lab.nii.gz", labels=True) for name in pair.split(":")
    )
    judged = judge_labels(WorldField.from_voxels(psi, target.grid), moving, target)
    return float(judged["after"]["overlap"])


def row(folder: Path, pair: str, name: str, settings: FitSettings, start: Tensor | None) -> None:
    """Fit a pair and print what came of it."""
    moving, target = tensors(folder, pair)
    begun = time.perf_counter()
    found = fit(Images(moving, target), METRIC, settings, start=start)
    seconds = time.perf_counter() - begun
    shoot = partial(qs.shoot, metric=METRIC, steps=settings.steps)
    before = count_folds(shoot(found.momentum)[0]).voxels
    tame = unfold(found.momentum, shoot)
    left = (qs.warp(moving, tame.psi) - target).square().sum() / (moving - target).square().sum()
    after = count_folds(tame.psi).voxels
    print(
        f"| {pair} | {name} | {overlap(folder, pair, tame.psi):.4f} | {left:.3f} | {before} | "
        f"{after} | {tame.rounds} | {seconds:.0f} |",
        flush=True,
    )
    for level in found.energies[0]:
        print("<!-- " + " ".join(f"{energy:.0f}" for energy in level) + " -->", flush=True)


def predicted(moving: Tensor, target: Tensor) -> Tensor:
    """The default model's momentum, corrected."""
    return infer_momentum(default_model(), moving, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="MOVING:TARGET")
    parser.add_argument("--loss", choices=["ssd", "lncc"], default="lncc")
    parser.add_argument("--sigma", type=float)
    parser.add_argument("--iterations", type=int, nargs=2, default=FitSettings().iterations)
    parser.add_argument("--folding", type=float, default=FitSettings().folding)
    parser.add_argument("--refine", type=int, default=0)
    options = parser.parse_args()
    kind = {"ssd": SSD, "lncc": LNCC}[options.loss]
    loss = kind() if options.sigma is None else kind(sigma=options.sigma)
    settings = FitSettings(loss, iterations=options.iterations, folding=options.folding)
    where = machine()
    print(f"{where['date'][:10]}, commit {where['commit']}, {where['processor']}, {settings}\n")
    print("| pair | from | overlap | mismatch left | folds | after damping | rounds | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for pair in options.pairs:
        row(options.folder, pair, "zero", settings, None)
        if options.refine:
            shorter = replace(settings, levels=(1,), iterations=(options.refine,))
            start = predicted(*tensors(options.folder, pair))
            row(options.folder, pair, "prediction", shorter, start)


if __name__ == "__main__":
    main()
