"""Matching, folds, filters and levels in two dimensions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver.images.filters import average, blur, dilate
from quicksilver.images.pyramid import downsample, downsample_momentum, upsample_momentum
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.losses import LNCC, MI, SSD
from quicksilver.lddmm.matching import FitSettings, Matching, fit
from quicksilver.lddmm.unfolding import unfold
from quicksilver.transforms.folds import count_folds, penalise_folds
from tests.quicksilver.slices import make_slice

METRIC = qs.FluidMetric(spacing=(1.0, 1.0), pad=8)


def pair(dtype=torch.float64) -> Images:
    """Two bent slices, the second a row shifted."""
    moving = blur(torch.from_numpy(make_slice(40) / 200)[None, None].to(dtype))
    return Images(moving, torch.roll(moving, (2, -1), (2, 3)))


@pytest.mark.parametrize("loss", [SSD(0.2), LNCC(3, 0.5), MI(8)])
def test_the_gradient_is_that_of_the_energy(loss):
    problem = Matching(pair(), METRIC, FitSettings(loss, steps=4, folding=1e3))
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn((2, 1, 2, 40, 40), generator=generator, dtype=torch.float64)
    here, direction = (METRIC.flat(blur(blur(blur(each)))) for each in noise)
    here = (5 * here).requires_grad_()
    crowded = penalise_folds(qs.shoot(here, METRIC, steps=4)[0])
    assert (crowded > 1e-3).all(), "the crowding is not at work in this test"
    (gradient,) = torch.autograd.grad(problem.energies(here, [0]).sum(), here)
    h = 1e-6
    with torch.no_grad():
        ahead, behind = (problem.energies(here + s * h * direction, [0]).sum() for s in (1, -1))
    slope = (gradient * direction).sum()
    assert ((ahead - behind) / (2 * h) - slope).abs() < 1e-4 * slope.abs()


def test_a_fit_moves_a_slice_onto_another():
    images = pair(torch.float32)
    found = fit(images, METRIC, FitSettings(levels=(2, 1), iterations=(15, 15)))
    assert found.momentum.shape == (1, 2, 40, 40)
    psi, _ = qs.shoot(found.momentum, METRIC, steps=10)
    before, after = (
        (warped - images.target).square().sum()
        for warped in (images.moving, qs.warp(images.moving, psi))
    )
    assert after < 0.1 * before
    assert count_folds(psi).voxels == 0


def measure_by_triangles(displacement: torch.Tensor) -> float:
    """The folded area, triangle by triangle, from the geometry alone."""
    points = displacement[0].numpy() + np.indices(displacement.shape[2:])
    total = 0.0
    for x, y in itertools.product(*(range(n - 1) for n in points.shape[1:])):
        corners = [points[:, x + a, y + b] for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
        for left_out in range(4):  # both diagonals cut the square into two triangles
            a, b, c = (corners[k] for k in range(4) if k != left_out)
            (u, v), (s, t) = b - a, c - a
            total += 0.5 * max(0.0, -(u * t - v * s) / 2)
    return total


def test_the_folded_area_is_that_of_the_triangles():
    generator = torch.Generator().manual_seed(0)
    displacement = torch.randn((1, 2, 7, 8), generator=generator, dtype=torch.float64)
    found = count_folds(displacement)
    assert math.isclose(found.volume, measure_by_triangles(displacement), rel_tol=1e-9)
    assert found.voxels > 0
    assert count_folds(torch.zeros(1, 2, 7, 8)).voxels == 0


def test_one_folded_square_is_penalised_and_found():
    displacement = torch.zeros(2, 2, 6, 7)
    displacement[1, 0, 3, 4] = -1.5
    penalty = penalise_folds(displacement, 0.3)
    assert penalty[0] == 0
    # Four triangles lie with an edge of -0.5 along x, each in a square of its own quarter.
    assert math.isclose(float(penalty[1]), 4 * 0.8**2 / 4, rel_tol=1e-6)


def test_folds_of_slices_are_mended():
    wild = torch.zeros(1, 2, 24, 24)
    wild[..., 10:14, 10:14] = 0.03
    tame = unfold(wild, lambda momentum: qs.shoot(momentum, METRIC, steps=4))
    assert tame.rounds > 0
    assert count_folds(tame.psi).voxels == 0


@pytest.mark.parametrize(
    "change", [blur, lambda x: average(x, 2, "constant"), lambda x: dilate(x, 1)]
)
def test_filters_take_slices_that_stand_as_volumes(change):
    flat = torch.rand(1, 2, 9, 8)
    torch.testing.assert_close(change(flat[..., None])[..., 0], change(flat))
    # As of a volume that is the same in all its slices, away from its ends.
    deep = flat[..., None].expand(1, 2, 9, 8, 9).contiguous()
    torch.testing.assert_close(change(deep)[..., 4], change(flat))


def test_levels_of_slices():
    field = torch.rand(1, 2, 10, 7)
    assert torch.equal(downsample(field[..., None], 4)[..., 0], downsample(field, 4))
    assert downsample(field, 4).shape == (1, 2, 3, 2)
    torch.testing.assert_close(downsample(field, 2)[0, 0, 0, 0], field[0, 0, :2, :2].mean())
    coarse = downsample_momentum(field, 2)
    assert upsample_momentum(coarse, 2, (10, 7)).shape == field.shape
    constant = upsample_momentum(downsample_momentum(torch.ones(1, 2, 8, 8), 2), 2, (8, 8))
    torch.testing.assert_close(constant, torch.ones(1, 2, 8, 8))
