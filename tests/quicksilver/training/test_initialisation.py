"""The first weights already take the first step of LDDMM."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.lddmm.fits import FittedPair
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork
from quicksilver.training.initialisation import initialise
from quicksilver.training.patches import FittedPatches
from quicksilver.training.synthesis import draw_geodesic, draw_smooth_noise


def first_step(moving, target):
    """(I0 - I1) grad I0, LDDMM's first descent direction."""
    return (moving - target) * torch.stack(torch.gradient(moving[:, 0], dim=(1, 2, 3)), dim=1)


def correlation(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


@pytest.fixture(scope="module")
def patches():
    """Pairs whose momentum is the first step itself."""
    pairs = []
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        moving = (0.6 + 0.3 * draw_smooth_noise((24, 22, 23), (6,), generator)).clamp(0.01, 1.2)
        _, psi, _ = draw_geodesic(moving, qs.FluidMetric(pad=9), generator, 4, (1, 2))
        target = qs.warp(moving, psi)
        pairs.append(FittedPair(moving, target, first_step(moving, target)))
    return FittedPatches(pairs, strength=0)


def started(features, patches, seed=0):
    network = PatchNetwork(features)
    initialise(network, patches, 0.01, torch.Generator().manual_seed(seed))
    return network


@pytest.mark.parametrize(("features", "least"), [(4, 0.5), (8, 0.5)])
def test_the_first_prediction_is_the_first_step_of_lddmm(features, least, patches):
    batch = patches.batch(8, torch.Generator().manual_seed(7))
    with torch.no_grad():
        momentum = 0.01 * started(features, patches)(batch.moving, batch.target)
    for axis in range(3):
        assert correlation(momentum[:, axis], batch.momentum[:, axis]) > least
    assert (momentum - batch.momentum).norm() < batch.momentum.norm()


def test_both_images_reach_the_last_blocks(patches):
    network = started(8, patches)
    seen = {}
    network.decoder_y_2.prelu1.register_forward_hook(lambda m, i, output: seen.update(x=output))
    images = torch.rand(2, 2, 1, *[PATCH_SIZE] * 3, generator=torch.Generator().manual_seed(0))
    images = images.cumsum(dim=4).cumsum(dim=3).cumsum(dim=5) / 800  # smooth,
    images[1] = images[1].flip(2, 3, 4)  # and unlike each other
    with torch.no_grad():
        network(images[0], images[1])
    for k in (0, 1):
        assert correlation(seen["x"][:, k], images[k][:, 0]) > 0.85
        assert correlation(seen["x"][:, k], images[1 - k][:, 0]) < 0.5
        error = (seen["x"][:, k] - images[k][:, 0])[:, 1:, 1:, 1:]
        assert error.abs().mean() < 0.2 * images[k].mean()


@pytest.mark.parametrize("features", [1, 2, 3])
def test_any_width_has_finite_first_weights(features, patches):
    assert all(p.isfinite().all() for p in started(features, patches).parameters())


def test_the_generator_decides(patches):
    first, again, other = (started(2, patches, seed) for seed in (0, 0, 1))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(
        first.decoder_x_2.conv_output.weight, other.decoder_x_2.conv_output.weight
    )
