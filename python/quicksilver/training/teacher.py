"""Make the teacher's pairs for a training: LDDMM fits, and what a network leaves of them."""

from __future__ import annotations

from pathlib import Path

import torch

import quicksilver_ext as qs
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.fits import SUFFIX, FittedPair, load_pair, pair_files, save_pair
from quicksilver.lddmm.fitting import FitJob, fit_batch
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import ModelConfig
from quicksilver.networks.shipped import open_model
from quicksilver.networks.tiling import predict_momentum
from quicksilver.runtime import distributed
from quicksilver.training.dataset import Volumes
from quicksilver.training.settings import Fits


def fit_pairs(
    subjects: Volumes, settings: Fits, metric: qs.FluidMetric, folder: Path, seed: int
) -> Path:
    """Fit random ordered pairs of subjects, shared among the processes; files that exist are kept.

    Returns:
        `folder`, complete, when every process is done.
    """
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
