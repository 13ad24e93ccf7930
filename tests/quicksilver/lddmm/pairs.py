"""Pairs of small images to match."""

from __future__ import annotations

import torch

import quicksilver_ext as qs
from quicksilver.lddmm import matching
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.losses import SSD
from quicksilver.training.synthesis import draw_geodesic
from tests.quicksilver.phantoms import texture

SHAPE = (18, 16, 20)
METRIC = qs.FluidMetric(pad=8)


def displaced(seed: int = 0, largest=(1.5, 1.5)):
    """An image, its copy carried along a random geodesic, and the geodesic's momentum."""
    image = texture(seed)
    momentum, psi, _ = draw_geodesic(
        image, METRIC, torch.Generator().manual_seed(seed), steps=6, largest=largest
    )
    return image, qs.warp(image, psi), momentum


def mismatch(moving, target, momentum):
    psi, _ = qs.shoot(momentum, METRIC, steps=6)
    return (qs.warp(moving, psi) - target).square().sum().item()


def fit(moving, target, *, start=None, progress=None, **options):
    """A fit of one pair with a few steps: its momentum and its energies by level."""
    settings = matching.FitSettings(**{"loss": SSD(), "steps": 6, "iterations": (8, 6)} | options)
    images = Images(moving, target)
    found = matching.fit(images, METRIC, settings, start=start, progress=progress)
    return found.momentum, found.energies[0]
