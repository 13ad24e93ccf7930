"""Objectives: one for the prediction zero, nearly zero for the truth, gradients that exist."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.training.batches import Batch, Geodesics
from quicksilver.training.objectives import EnergyObjective, MomentumObjective
from quicksilver.training.settings import Stage, Variation
from tests.quicksilver.training_data import METRIC, people


@pytest.fixture(scope="module")
def batch() -> Batch:
    geodesics = Geodesics(people(2), Variation(), METRIC)
    return geodesics.batch(2, torch.Generator().manual_seed(0))


def test_the_energy_is_one_for_the_identity_and_small_for_the_truth(batch):
    energy = EnergyObjective(METRIC, Stage(steps=1, shooting_steps=10))
    assert energy(torch.zeros_like(batch.momentum), batch) == pytest.approx(1)
    assert energy(batch.momentum, batch) < 0.3


def test_the_energy_of_one_pair_is_that_of_lddmm(batch):
    one = Batch(
        *(v[:1] for v in (batch.seen_moving, batch.seen_target, batch.moving, batch.target))
    )
    stage = Stage(steps=1, loss="ssd", sigma=0.3, shooting_steps=4)
    momentum = 0.5 * batch.momentum[:1]
    energy = EnergyObjective(METRIC, stage)(momentum, one)
    psi, _ = qs.shoot(momentum, METRIC, steps=4)
    mismatch = (qs.warp(one.moving, psi) - one.target).square().sum() / (2 * 0.3**2)
    kinetic = 0.5 * (momentum * METRIC.sharp(momentum)).sum()
    before = (one.moving - one.target).square().sum() / (2 * 0.3**2)
    torch.testing.assert_close(energy, (mismatch + kinetic) / before)


def test_unfolding_is_paid_for_where_determinants_are_small(batch):
    costs = [
        EnergyObjective(METRIC, Stage(steps=1, unfolding=weight))(3 * batch.momentum, batch)
        for weight in (0.0, 1.0)
    ]
    assert costs[1] > costs[0] + 1e-3
    gentle = [
        EnergyObjective(METRIC, Stage(steps=1, unfolding=weight))(0.01 * batch.momentum, batch)
        for weight in (0.0, 1.0)
    ]
    assert gentle[0] == gentle[1]


def test_the_distance_of_momenta_is_two_for_zero_and_zero_for_the_truth(batch):
    distance = MomentumObjective(METRIC, Stage(steps=1, velocity=1.0))
    assert distance(torch.zeros_like(batch.momentum), batch) == pytest.approx(2)
    assert distance(batch.momentum, batch) == pytest.approx(0, abs=1e-6)
    assert MomentumObjective(METRIC, Stage(steps=1, velocity=0))(
        0 * batch.momentum, batch
    ) == pytest.approx(1)


def test_the_energy_descends_along_its_gradient(batch):
    energy = EnergyObjective(METRIC, Stage(steps=1))
    momentum = torch.zeros_like(batch.momentum, requires_grad=True)
    (gradient,) = torch.autograd.grad(energy(momentum, batch), momentum)
    length = 1e-3 / METRIC.sharp(METRIC.flat(gradient)).abs().max()
    assert energy(-length * METRIC.flat(gradient), batch) < 1
