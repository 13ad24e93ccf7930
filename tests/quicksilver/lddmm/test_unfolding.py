from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.images.filters import blur
from quicksilver.images.pyramid import upsample, upsample_momentum
from quicksilver.lddmm.unfolding import (
    BLOCK,
    SMOOTHED,
    _find_parts,
    _make_bump,
    _smooth_within,
    unfold,
)
from quicksilver.training.synthesis import draw_geodesic
from quicksilver.transforms.folds import find_folds
from tests.quicksilver.phantoms import texture

METRIC = qs.FluidMetric(pad=8)

shoot = partial(qs.shoot, metric=METRIC, steps=6)


def momentum(size=1.0, shape=(24, 20, 22)):
    image = texture(0, shape)
    generator = torch.Generator().manual_seed(0)
    return size * draw_geodesic(image, METRIC, generator, steps=6, largest=(1.5, 1.5))[0]


def test_what_does_not_fold_stays_as_it_is():
    tame = momentum()
    calls = []

    def counted(m):
        calls.append(m)
        return shoot(m)

    found = unfold(tame, counted)
    assert found.momentum is tame
    assert found.rounds == 0
    assert len(calls) == 1
    assert torch.equal(found.psi, shoot(tame)[0])
    assert torch.equal(found.phi, shoot(tame)[1])


def test_what_folds_is_tamed_there_and_only_there():
    wild = momentum(shape=(36, 30, 32))
    wild[..., 5:7, 6:8, 5:7] += 0.25
    before = find_folds(shoot(wild)[0])[0]
    found = unfold(wild, shoot)
    assert before.any()
    assert not find_folds(found.psi)[0].any()
    assert torch.equal(found.psi, shoot(found.momentum)[0])
    change = (found.momentum - wild).abs()
    assert change[..., 5:7, 6:8, 5:7].mean() > 0.05
    assert (change[..., -8:, -8:, -8:] == 0).all()
    lost = (found.momentum - wild).sum((2, 3, 4)).abs() / wild[..., 5:7, 6:8, 5:7].sum((2, 3, 4))
    assert found.rounds <= SMOOTHED
    assert lost.max() < 0.3, "most of the momentum stays"


def test_it_is_the_momentum_where_the_folded_voxels_come_from():
    """A strong shift of everything, and one spot that folds: what changes is upstream."""
    wild = torch.zeros(1, 3, 40, 16, 16)
    wild[:, 0, 4:36, 4:12, 4:12] = 0.01
    shift = shoot(wild)[0][0, 0, 20, 8, 8].abs().item()
    wild[:, 1, 20:22, 7:9, 7:9] = 0.1
    where = find_folds(shoot(wild)[0])[0].nonzero()[:, 2].float().mean().item()
    found = unfold(wild, shoot)
    change = (found.momentum - wild).abs().sum((0, 1, 3, 4))
    middle = (change * torch.arange(40)).sum().item() / change.sum().item()
    assert shift > 2
    assert where - middle > 0.5 * shift
    assert abs(middle - 20.5) < 1.5


def test_a_coarse_grain_takes_fewer_rounds():
    """A momentum with features two voxels wide, as if predicted on a grid half as fine."""
    wild = momentum()
    wild[..., 5:7, 6:8, 5:7] += 0.2
    twice_as_fine = replace(METRIC, spacing=(0.5, 0.5, 0.5))
    twin = upsample(wild, 2, (48, 40, 44)) / 2
    one, two = (
        unfold(twin, partial(qs.shoot, metric=twice_as_fine, steps=6), grain) for grain in (1, 2)
    )
    assert 0 < two.rounds < one.rounds
    assert not find_folds(two.psi)[0].any()


def test_folds_are_mended_on_a_coarse_grid_first():
    wild = momentum()
    wild[..., 5:7, 6:8, 5:7] += 0.2
    twin, shots = upsample_momentum(wild, 2, (48, 40, 44)), []
    metric = replace(METRIC, spacing=(0.5, 0.5, 0.5))

    def shoot_finely(fine):
        shots.append(fine)
        return qs.shoot(fine, metric, steps=6)

    found, fine = unfold(twin, shoot_finely, 2, shoot), len(shots)
    assert 0 < found.rounds == unfold(wild, shoot).rounds
    assert fine < 1 + unfold(twin, shoot_finely, 2).rounds
    assert not find_folds(found.psi)[0].any()
    assert torch.equal(found.psi, shoot_finely(found.momentum)[0])
    calm = upsample_momentum(momentum(), 2, (48, 40, 44))
    assert unfold(calm, shoot_finely, 2, shoot).momentum is calm


def test_pairs_of_a_batch_are_damped_apart():
    wild = momentum()
    wild[..., 5:7, 6:8, 5:7] += 0.6
    both = unfold(torch.cat([momentum(), wild]), shoot)
    torch.testing.assert_close(both.momentum[:1], momentum(), rtol=0, atol=0)
    assert not find_folds(both.psi)[0].any()


def test_any_momentum_ends_without_folds():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, 16, 15, 17, generator=generator)
    found = unfold(noise, shoot)
    assert found.rounds > SMOOTHED
    assert not find_folds(found.psi)[0].any()
    assert found.momentum.any()


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_bumps_reach_twice_as_far_as_they_say(reach):
    where = torch.zeros(1, 1, 21, 20, 22, dtype=torch.bool)
    where[..., 10, 10, 10] = True
    line = _make_bump(where, torch.zeros(1, 3, 21, 20, 22), reach)[0, 0, :, 10, 10]
    end = 10 + 2 * reach
    assert line[10] == 1
    assert (line[10:].diff() <= 0).all()
    assert line[end] > 0
    assert (line[end + 1 :] == 0).all()


@pytest.mark.parametrize("times", [2, 9])
def test_a_bump_is_smoothed_as_if_everything_were(times):
    generator = torch.Generator().manual_seed(0)
    shape = (BLOCK + 20, 30, 32)
    rough, bump = torch.randn(2, 3, *shape, generator=generator), torch.zeros(2, 1, *shape)
    bump[0, :, BLOCK - 3 : BLOCK + 4, :5, 8:12] = 0.7  # across blocks and at a face
    bump[0, :, 25, 15, 15] = 1.0
    assert len(_find_parts(bump[0, 0] > 0, times)) == (2 if times == 2 else 1)
    found, smooth = _smooth_within(rough, bump, times), rough
    for _ in range(times):
        smooth = blur(smooth)
    assert torch.equal(found, torch.lerp(rough, smooth, bump))
    assert torch.equal(found[1], rough[1])
