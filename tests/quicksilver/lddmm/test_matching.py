"""LDDMM matching: an exact gradient, falling energies, a known geodesic found again."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.lddmm import checkpoint, matching
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.losses import LNCC, SSD
from quicksilver.transforms.folds import LEAST, count_folds, penalise_folds
from tests.quicksilver.lddmm.pairs import METRIC, SHAPE, displaced, fit, mismatch
from tests.quicksilver.phantoms import texture


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("loss", [SSD(0.2), LNCC(3, 0.5)])
def test_the_gradient_is_that_of_the_energy(loss, masked):
    moving, target, momentum = (torch.cat([t, t.flip(4)]).double() for t in displaced())
    masks = [texture(seed).expand_as(moving).double() for seed in (3, 4)] if masked else []
    settings = matching.FitSettings(loss, steps=4, folding=1e3)
    images = Images(moving, target, *masks)
    problem = matching.Matching(images, METRIC, settings)
    here = (3 * momentum).requires_grad_()
    crowded = penalise_folds(qs.shoot(here, METRIC, steps=4)[0], LEAST)
    assert (crowded > 1e-3).all(), "the crowding is not at work in this test"
    (gradient,) = torch.autograd.grad(problem.energies(here, [0, 1]).sum(), here)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(momentum.shape, generator=generator, dtype=torch.float64)
    direction = METRIC.flat(METRIC.sharp(noise)) * momentum.abs().max()
    h = 1e-6
    with torch.no_grad():
        ahead, behind = (problem.energies(here + s * h * direction, [0, 1]).sum() for s in (1, -1))
    slope = (gradient * direction).sum()
    assert ((ahead - behind) / (2 * h) - slope).abs() < 1e-5 * slope.abs()


def test_every_iteration_lowers_the_energy_and_the_image_moves_onto_the_target():
    moving, target, _ = displaced()
    momentum, levels = fit(moving, target)
    for energies in levels:
        assert energies == sorted(set(energies), reverse=True)
        assert len(energies) > 3
    assert mismatch(moving, target, momentum) < 0.1 * mismatch(moving, target, 0 * momentum)


def test_pairs_of_a_batch_go_their_own_ways():
    """One needs many iterations, one few, one none."""
    moving, target, _ = displaced()
    nearly = qs.warp(moving, torch.full((1, 3, *SHAPE), 0.05))
    targets = [target, moving, nearly]
    images = Images(torch.cat([moving] * 3), torch.cat(targets))
    settings = matching.FitSettings(SSD(), steps=4, iterations=(6, 4), tolerance=0.2)
    told = []
    together = matching.fit(images, METRIC, settings, progress=lambda *news: told.append(news))
    alone = [matching.fit(Images(moving, t), METRIC, settings) for t in targets]
    counts = [[len(level) for level in energies] for energies in together.energies]
    assert counts == [[len(level) for level in one.energies[0]] for one in alone]
    assert counts[0] > counts[2] > counts[1] == [1, 1]
    assert [row for row, *_ in told].count(1) == 0
    torch.testing.assert_close(together.momentum, torch.cat([one.momentum for one in alone]))


def test_the_penalty_keeps_a_map_from_folding():
    moving, target = texture(0), texture(1)
    loss = SSD(0.03)
    folds = []
    for folding in (0.0, 1e4):
        found, _ = fit(moving, target, loss=loss, folding=folding, iterations=(15, 15))
        folds.append(count_folds(qs.shoot(found, METRIC, steps=6)[0]).voxels)
    assert folds[1] == 0 < folds[0]


def test_what_a_mask_leaves_out_does_not_matter():
    moving, target, _ = displaced()
    mask = torch.ones_like(target)
    mask[..., :9, :, :] = 0
    other = torch.where(mask > 0, target, 1.2 * torch.rand_like(target))
    settings = matching.FitSettings(SSD(), steps=4, levels=(1,), iterations=(3,))
    fits = [
        matching.fit(Images(moving, t, target_mask=m), METRIC, settings)
        for t, m in ((target, mask), (other, mask), (target, torch.ones_like(mask)))
    ]
    torch.testing.assert_close(fits[0].momentum, fits[1].momentum)
    assert not torch.allclose(fits[0].momentum, fits[2].momentum, rtol=0.1)


def test_the_moving_images_mask_moves_with_it():
    """Where the map brings what is masked out, the mismatch does not count."""
    moving, target, momentum = displaced()
    psi, _ = qs.shoot(momentum, METRIC, steps=6)
    mask = torch.zeros_like(moving)
    mask[..., 5:12, 4:10, 6:13] = 1
    images = Images(moving, target + 1, moving_mask=mask)
    problem = matching.Matching(images, METRIC, matching.FitSettings(SSD(), steps=6, folding=0.0))
    expected = qs.warp(mask, psi).sum() / (2 * 0.2**2)
    kinetic = 0.5 * (momentum * METRIC.sharp(momentum)).sum()
    found = problem.energies(momentum, [0]) - kinetic
    torch.testing.assert_close(found, expected[None].double(), rtol=1e-3, atol=0)


def test_a_users_own_loss():
    moving, target, _ = displaced()
    told = []

    def absolute(warped, target):
        told.append(warped.shape)
        return (warped - target).abs()

    _, levels = fit(moving, target, loss=absolute, levels=(1,), iterations=(4,))
    assert told[0] == moving.shape
    assert levels[0][-1] < levels[0][0]
    at_rest = (moving - target).abs().sum().item()
    assert levels[0][0] == pytest.approx(at_rest, rel=1e-5)


@pytest.mark.parametrize(
    ("scheme", "size"), [(matching.FitSettings(SSD()), 1e-3), (matching.QUICKSILVER, 1e-7)]
)
def test_a_fit_takes_steps_of_the_size_it_is_told(scheme, size):
    moving, target, _ = displaced()
    small, usual = (
        matching.fit(
            Images(moving, target),
            METRIC,
            dataclasses.replace(scheme, levels=(1,), iterations=(1,), steps=4, step_size=step_size),
        ).momentum
        for step_size in (size, None)
    )
    assert 0 < small.abs().max() < 0.1 * usual.abs().max()


def test_quicksilvers_own_scheme():
    moving, target, _ = displaced()
    images = Images(moving, target)
    settings = dataclasses.replace(matching.QUICKSILVER, iterations=(2,), steps=4)
    found = matching.fit(images, METRIC, settings)
    momentum = torch.zeros(1, 3, *SHAPE)
    energies = []
    for _ in range(3):
        here = momentum.clone().requires_grad_()
        psi, _ = qs.shoot(here, METRIC, steps=4)
        energy = 0.5 * (here * METRIC.sharp(here)).sum()
        energy = energy + (qs.warp(moving, psi) - target).square().sum() / (2 * 0.2**2)
        energies.append(energy.item())
        last, momentum = momentum, momentum - 4e-6 * torch.autograd.grad(energy, here)[0]
    torch.testing.assert_close(found.momentum, last, rtol=1e-4, atol=1e-9)
    assert found.energies[0][0] == pytest.approx(energies, rel=1e-5)
    assert matching.QUICKSILVER.iterations == (50,)
    assert matching.QUICKSILVER.levels == (1,)


def test_a_known_geodesic_is_found_again():
    moving, target, momentum = displaced()
    fitted, _ = fit(moving, target, loss=SSD(0.02), levels=(1,), iterations=(40,))
    found, truth = (qs.shoot(m, METRIC, steps=6)[0] for m in (fitted, momentum))
    inside = moving > 0
    error = ((found - truth).norm(dim=1, keepdim=True) * inside).sum() / inside.sum()
    size = (truth.norm(dim=1, keepdim=True) * inside).sum() / inside.sum()
    assert error < 0.25 * size


def test_identical_images_need_no_momentum():
    image = texture()
    momentum, levels = fit(image, image)
    assert not momentum.any()
    assert levels == [[0], [0]]


def test_a_fit_goes_on_from_where_another_ended():
    moving, target, _ = displaced()
    options = {"levels": (1,), "iterations": (3,)}
    first, before = fit(moving, target, **options)
    _, after = fit(moving, target, start=first, **options)
    assert after[0][0] == pytest.approx(before[0][-1], rel=1e-5)
    assert after[0][-1] < before[0][-1]


def test_progress_tells_pair_level_iteration_and_energy():
    moving, target, _ = displaced()
    told = []
    _, levels = fit(moving, target, iterations=(2, 1), progress=lambda *news: told.append(news))
    assert [news[:3] for news in told] == [(0, 0, 1), (0, 0, 2), (0, 1, 1)]
    assert told[1][3] == levels[0][2]


@pytest.mark.parametrize("stop", [(0, 0, 3), (1, 1, 3)])
def test_a_fit_that_is_stopped_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    moving, target, _ = displaced()
    images = Images(torch.cat([moving, target]), torch.cat([target, moving]))
    settings = matching.FitSettings(steps=4, iterations=(4, 4))
    whole = matching.fit(images, METRIC, settings)
    state = tmp_path / "state"

    def interrupt(*news):
        if news[:3] == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matching.fit(images, METRIC, settings, state=state, progress=interrupt)
    told = []
    again = matching.fit(
        images, METRIC, settings, state=state, progress=lambda *news: told.append(news)
    )
    assert told[0][1] == stop[1], "it began anew"
    assert told[0][2] > 1, "it began anew"
    assert again.energies == whole.energies
    assert torch.equal(again.momentum, whole.momentum)


@pytest.mark.parametrize("change", ["settings", "images", "damage"])
def test_the_state_of_another_fit_is_not_used(tmp_path, monkeypatch, change):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    moving, target, _ = displaced()
    settings = matching.FitSettings(steps=4, iterations=(2, 2))
    state = tmp_path / "state"
    matching.fit(Images(moving, target), METRIC, settings, state=state)
    if change == "settings":
        settings = dataclasses.replace(settings, loss=SSD(0.1))
    elif change == "images":
        moving = 0.9 * moving
    else:
        state.write_bytes(state.read_bytes()[:-50])
    told = []
    images = Images(moving, target)
    matching.fit(images, METRIC, settings, state=state, progress=lambda *news: told.append(news))
    assert told[0][:3] == (0, 0, 1)


def test_settings_in_words():
    described = matching.FitSettings(loss=LNCC(7)).to_json()
    assert described["loss"] == "LNCC(window=7, sigma=0.7)"
    assert described["descent"] == "Descent"
    assert matching.FitSettings(loss=texture).to_json()["loss"] == "texture"
    assert json.loads(json.dumps(described))["levels"] == [2, 1]


def test_arguments_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="one entry per level"):
        matching.FitSettings(levels=(1,))
    with pytest.raises(ValueError, match="one grid"):
        Images(texture(), texture(shape=(16, 16, 16)))
    with pytest.raises(ValueError, match="target_mask must be"):
        Images(texture(), texture(), target_mask=texture()[0])
