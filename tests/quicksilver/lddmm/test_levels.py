"""Levels of a fit agree on energies, momenta and metric."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.images.pyramid import downsample, upsample
from quicksilver.lddmm.metric import coarsen_metric
from tests.quicksilver.lddmm.pairs import METRIC, displaced, fit


def test_energies_of_all_levels_are_comparable():
    moving, target, _ = displaced()
    _, (coarse, fine) = fit(moving, target, iterations=(1, 1))
    _, (whole,) = fit(moving, target, levels=(1,), iterations=(1,))
    assert fine[0] < whole[0]
    assert 0.3 * whole[0] < coarse[0] < whole[0]


def test_levels_agree_on_what_a_smooth_momentum_does():
    momentum = torch.nn.functional.interpolate(
        displaced()[2][..., ::4, ::4, ::4], size=(32,) * 3, mode="trilinear"
    )
    momentum = momentum / METRIC.sharp(momentum).abs().max()
    coarse = downsample(momentum, 2) * 2
    fine_psi, _ = qs.shoot(momentum, METRIC, steps=6)
    coarse_psi, _ = qs.shoot(coarse, coarsen_metric(METRIC, 2), steps=6)
    torch.testing.assert_close(2 * coarse_psi, downsample(fine_psi, 2), atol=0.05, rtol=0)


@pytest.mark.parametrize("shape", [(18, 16, 20), (17, 15, 19)])
def test_a_linear_momentum_survives_the_way_to_a_coarser_grid_and_back(shape):
    x, y, z = (torch.linspace(-1, 1, n) for n in shape)
    ramp = (x[:, None, None] + 2 * y[:, None] - z).expand(1, 3, *shape)
    back = upsample(downsample(ramp, 2), 2, shape)
    assert back.shape == ramp.shape
    inner = (..., *(slice(3, n - 3) for n in shape))
    torch.testing.assert_close(back[inner], ramp[inner])


def test_a_start_counts_on_a_coarse_level_too():
    moving, target, _ = displaced()
    fine, _ = fit(moving, target, levels=(1,), iterations=(8,))
    half, whole, more = (
        fit(moving, target, start=s * fine, levels=(2,), iterations=(0,), folding=0.0)[1][0][0]
        for s in (0.5, 1, 2)
    )
    assert whole < half
    assert whole < more


def test_the_coarse_metric_keeps_its_pad_in_millimetres():
    coarse = coarsen_metric(METRIC, 2)
    assert coarse == dataclasses.replace(METRIC, spacing=(2, 2, 2), pad=4)
