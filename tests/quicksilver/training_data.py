"""Small people and fitted pairs for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import yaml

import quicksilver_ext as qs
from quicksilver.images.image import Grid
from quicksilver.lddmm.fits import FittedPair
from quicksilver.training.dataset import Volumes
from quicksilver.training.synthesis import draw_geodesic, draw_smooth_noise

METRIC = qs.FluidMetric(pad=9)
FRAME = {"shape": [24, 24, 24], "spacing": 2.0, "origin": [-23, -23, -23], "held_out": 2}
STAGE = {"steps": 3, "precision": "float32", "shooting_steps": 2, "validations": 1}


def fitted_pair(seed: int, shape=(18, 17, 19)) -> FittedPair:
    generator = torch.Generator().manual_seed(seed)
    moving = (0.6 + 0.4 * draw_smooth_noise(shape, (5,), generator)).clamp(0, 1.2)
    momentum, psi, _ = draw_geodesic(moving, METRIC, generator, steps=4, largest=(1, 2))
    return FittedPair(moving, qs.warp(moving, psi), momentum, {"seed": seed})


def head(seed: int, shape=(24, 24, 24)) -> torch.Tensor:
    """A textured ball, (1, 1, *shape)."""
    lines = [torch.linspace(-1.5, 1.5, n) for n in shape]
    x, y, z = torch.meshgrid(*lines, indexing="ij")
    texture = draw_smooth_noise(shape, (6,), torch.Generator().manual_seed(seed))
    return (x**2 + y**2 + z**2 < 1) * (0.6 + 0.3 * texture).clamp(0.1, 1.2)


def people(count: int, labelled: bool = False) -> Volumes:
    images = torch.cat([head(seed) for seed in range(count)])
    labels = ((images > 0).int() + (images > 0.6).int()).to(torch.int16) if labelled else None
    names = tuple(f"p{k}" for k in range(count))
    return Volumes(names, images.half(), labels, Grid((24, 24, 24), np.eye(4)))


def recipe_file(folder: Path, **changes) -> Path:
    content = {
        "name": "small",
        "data": {"images": "p*_t1.nii.gz", "labels": "p*_lab.nii.gz", **FRAME},
        "network": {"features": 2},
        "shooting": {"steps": 2},
        "prediction": STAGE,
        "correction": STAGE,
        **changes,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def losses(folder: Path, stage: str = "prediction") -> list[float]:
    return torch.load(folder / f"{stage}.pt", weights_only=True)["losses"]
