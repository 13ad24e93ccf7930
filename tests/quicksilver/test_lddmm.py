"""LDDMM matching: an exact gradient, falling energies, a known geodesic found again."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import quicksilver_ext as qs
from quicksilver import lddmm
from quicksilver.synthesis import random_geodesic, smooth_noise

SHAPE = (18, 16, 20)
METRIC = qs.FluidMetric(pad=8)


def texture(seed: int = 0, shape=SHAPE) -> torch.Tensor:
    """A smooth image between 0 and 1.2, zero near the faces."""
    generator = torch.Generator().manual_seed(seed)
    window = torch.ones(1, 1, *[n - 6 for n in shape])
    window = torch.nn.functional.pad(window, [3] * 6)
    return (window * (0.6 + 0.4 * smooth_noise(shape, (5,), generator))).clamp(0, 1.2)


def displaced(seed: int = 0, largest=(1.5, 1.5)):
    """An image, its copy carried along a random geodesic, and the geodesic's momentum."""
    image = texture(seed)
    momentum, psi, _ = random_geodesic(
        image, METRIC, torch.Generator().manual_seed(seed), steps=6, largest=largest
    )
    return image, qs.warp(image, psi), momentum


def mismatch(moving, target, momentum):
    psi, _ = qs.shoot(momentum, METRIC, steps=6)
    return (qs.warp(moving, psi) - target).square().sum().item()


def test_the_gradient_is_that_of_the_energy():
    moving, target, momentum = (t.double() for t in displaced())
    matching = lddmm.Matching(moving, target, METRIC, sigma=0.2, steps=4)
    here = (0.5 * momentum).requires_grad_()
    (gradient,) = torch.autograd.grad(matching.energy(here), here)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(momentum.shape, generator=generator, dtype=torch.float64)
    direction = METRIC.flat(METRIC.sharp(noise)) * momentum.abs().max()
    h = 1e-6
    with torch.no_grad():
        ahead, behind = (matching.energy(here + s * h * direction) for s in (1, -1))
    slope = (gradient * direction).sum()
    assert ((ahead - behind) / (2 * h) - slope).abs() < 1e-5 * slope.abs()


def test_every_iteration_lowers_the_energy_and_the_image_moves_onto_the_target():
    moving, target, _ = displaced()
    fit = lddmm.fit(moving, target, METRIC, steps=6, iterations=(8, 6))
    for energies in fit.energies:
        assert energies == sorted(set(energies), reverse=True) and len(energies) > 3
    assert mismatch(moving, target, fit.momentum) < 0.1 * mismatch(moving, target, 0 * fit.momentum)


def test_a_known_geodesic_is_found_again():
    moving, target, momentum = displaced()
    fit = lddmm.fit(moving, target, METRIC, sigma=0.02, steps=6, levels=(1,), iterations=(40,))
    found, truth = (qs.shoot(m, METRIC, steps=6)[0] for m in (fit.momentum, momentum))
    inside = moving > 0
    error = ((found - truth).norm(dim=1, keepdim=True) * inside).sum() / inside.sum()
    size = (truth.norm(dim=1, keepdim=True) * inside).sum() / inside.sum()
    assert error < 0.25 * size


def test_energies_of_all_levels_are_comparable():
    moving, target, _ = displaced()
    fit = lddmm.fit(moving, target, METRIC, steps=6, iterations=(1, 1))
    coarse, fine = (energies[0] for energies in fit.energies)
    whole = lddmm.fit(moving, target, METRIC, steps=6, levels=(1,), iterations=(1,))
    assert fine < whole.energies[0][0]
    assert 0.3 * whole.energies[0][0] < coarse < whole.energies[0][0]


def test_levels_agree_on_what_a_smooth_momentum_does():
    momentum = torch.nn.functional.interpolate(
        displaced()[2][..., ::4, ::4, ::4], size=(32,) * 3, mode="trilinear"
    )
    momentum = momentum / METRIC.sharp(momentum).abs().max()
    coarse = lddmm.coarser(momentum, 2) * 2
    fine_psi, _ = qs.shoot(momentum, METRIC, steps=6)
    coarse_psi, _ = qs.shoot(coarse, lddmm.metric_at(METRIC, 2), steps=6)
    torch.testing.assert_close(2 * coarse_psi, lddmm.coarser(fine_psi, 2), atol=0.05, rtol=0)


@pytest.mark.parametrize("shape", [(18, 16, 20), (17, 15, 19)])
def test_a_linear_momentum_survives_the_way_to_a_coarser_grid_and_back(shape):
    x, y, z = (torch.linspace(-1, 1, n) for n in shape)
    ramp = (x[:, None, None] + 2 * y[:, None] - z).expand(1, 3, *shape)
    back = lddmm.finer(lddmm.coarser(ramp, 2), 2, shape)
    assert back.shape == ramp.shape
    inner = (..., *(slice(3, n - 3) for n in shape))
    torch.testing.assert_close(back[inner], ramp[inner])


def test_identical_images_need_no_momentum():
    image = texture()
    fit = lddmm.fit(image, image, METRIC, steps=4, iterations=(3, 3))
    assert not fit.momentum.any()
    assert [energies[0] for energies in fit.energies] == [0, 0]


def test_a_fit_goes_on_from_where_another_ended():
    moving, target, _ = displaced()
    options = {"steps": 6, "levels": (1,)}
    first = lddmm.fit(moving, target, METRIC, iterations=(3,), **options)
    more = lddmm.fit(moving, target, METRIC, iterations=(3,), start=first.momentum, **options)
    assert more.energies[0][0] == pytest.approx(first.energies[0][-1], rel=1e-5)
    assert more.energies[0][-1] < first.energies[0][-1]


def test_a_start_counts_on_a_coarse_level_too():
    moving, target, _ = displaced()
    fine = lddmm.fit(moving, target, METRIC, steps=6, levels=(1,), iterations=(8,))
    coarse = {"steps": 6, "levels": (2,), "iterations": (0,)}
    half, whole, more = (
        lddmm.fit(moving, target, METRIC, start=s * fine.momentum, **coarse).energies[0][0]
        for s in (0.5, 1, 1.5)
    )
    assert whole < half and whole < more


def test_progress_tells_level_iteration_and_energy():
    moving, target, _ = displaced()
    told = []
    fit = lddmm.fit(
        moving, target, METRIC, steps=4, iterations=(2, 1), progress=lambda *news: told.append(news)
    )
    assert [news[:2] for news in told] == [(0, 1), (0, 2), (1, 1)]
    assert told[1][2] == fit.energies[0][2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": (1,)}, "one entry per level"),
        ({"target": texture(shape=(16, 16, 16))}, "one grid"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused(options, message):
    arguments = {"moving": texture(), "target": texture(), "metric": METRIC} | options
    with pytest.raises(ValueError, match=message):
        lddmm.fit(**arguments)


def test_the_coarse_metric_keeps_its_pad_in_millimetres():
    coarse = lddmm.metric_at(METRIC, 2)
    assert coarse == dataclasses.replace(METRIC, spacing=(2, 2, 2), pad=4)
