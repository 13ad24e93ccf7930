"""Patches of known momenta: parts of their pair, mirrored rightly, decided by the generator."""

from __future__ import annotations

import pytest
import torch

from quicksilver.lddmm.fits import FittedPair
from quicksilver.networks.patch import PATCH_SIZE
from quicksilver.training.batches import Geodesics
from quicksilver.training.patches import CutPatches, FittedPatches
from quicksilver.training.settings import Variation
from tests.quicksilver.training_data import METRIC, fitted_pair, people


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_batches_are_patches_of_the_pair_seen_directly_or_in_a_mirror():
    x, y, z = torch.meshgrid(*(torch.arange(1.0, n + 1) for n in (18, 17, 19)), indexing="ij")
    moving = (x / 20)[None, None]
    momentum = torch.stack((x, y, z))[None]
    patches = FittedPatches([FittedPair(moving, moving, momentum)], strength=0)
    batch = patches.batch(32, generator())
    assert batch.moving.shape == (32, 1, *[PATCH_SIZE] * 3)
    head = batch.moving > 0
    torch.testing.assert_close(batch.momentum[:, :1].abs(), batch.moving * 20, rtol=3e-3, atol=3e-3)
    assert (batch.momentum[:, 1:] >= 0).all()
    mirrored = (batch.momentum[:, 0] < 0).flatten(1).any(1)
    assert 5 < mirrored.sum() < 27
    steps = batch.moving.diff(dim=2)[head[:, :, 1:] & head[:, :, :-1]]
    assert (steps > 0).any()
    assert (steps < 0).any()


def test_the_generator_decides_the_batch():
    patches = FittedPatches([fitted_pair(0), fitted_pair(1)])
    first, again, other = (patches.batch(2, generator(s)) for s in (3, 3, 4))
    assert torch.equal(first.seen_moving, again.seen_moving)
    assert torch.equal(first.momentum, again.momentum)
    assert not torch.equal(first.momentum, other.momentum)


def test_what_is_seen_is_disturbed_independently_and_momenta_never():
    pair = fitted_pair(0)
    same = FittedPair(pair.moving, pair.moving, pair.momentum)
    plain, disturbed = (FittedPatches([same], s).batch(2, generator()) for s in (0.0, 1.0))
    assert torch.equal(plain.momentum, disturbed.momentum)
    assert torch.equal(plain.moving, disturbed.moving)
    assert (disturbed.seen_moving - disturbed.seen_target).abs().max() > 0.02


def test_the_magnitude_is_the_mean_over_the_head():
    pair = FittedPair(
        torch.ones(1, 1, 16, 16, 16),
        torch.ones(1, 1, 16, 16, 16),
        -torch.full((1, 3, 16, 16, 16), 0.25),
    )
    assert FittedPatches([pair]).mean_magnitude() == pytest.approx(0.25)


def test_patches_are_cut_from_one_geodesic():
    source = Geodesics(people(2), Variation(scanner=0, intensity=0), METRIC)
    batch = CutPatches(source).batch(5, generator())
    assert batch.momentum.shape == (5, 3, *[PATCH_SIZE] * 3)
    whole = source.batch(1, generator())
    values = set(whole.momentum.flatten().tolist()) | {0.0}
    assert set(batch.momentum.flatten().tolist()) <= values
    torch.testing.assert_close(batch.moving, batch.seen_moving, atol=2e-4, rtol=0)
