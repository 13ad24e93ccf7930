"""Synthetic geodesics are diffeomorphic, reproducible and of the size asked for."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.training.synthesis import disturb, draw_geodesic, draw_smooth_noise

METRIC = qs.FluidMetric(pad=12)


def blob(shape=(24, 20, 28)):
    lines = [torch.linspace(-1.6, 1.6, n) for n in shape]
    x, y, z = torch.meshgrid(*lines, indexing="ij")
    return torch.sigmoid(12 * (1 - x**2 - y**2 - z**2))[None, None]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maps_do_not_fold_and_move_as_far_as_asked(seed):
    momentum, psi, _ = draw_geodesic(blob(), METRIC, generator(seed), largest=(2, 3))
    assert qs.jacobian_determinant(psi).min() > 0
    speed = METRIC.sharp(momentum).abs().max()
    assert speed <= 3.001
    assert 0.4 * speed < psi.abs().max() < 2.5 * speed
    assert momentum.dtype == torch.float32


def test_an_amplitude_that_folds_is_halved():
    momentum, psi, _ = draw_geodesic(blob(), METRIC, generator(), largest=(60, 60))
    assert METRIC.sharp(momentum).abs().max() < 31
    assert qs.jacobian_determinant(psi).min() > 0


def test_the_momentum_is_horizontal_and_shoots_the_maps():
    image = blob()
    momentum, psi, phi = draw_geodesic(image, METRIC, generator(), steps=5)
    slope = torch.stack(torch.gradient(image[0, 0]))[None]
    across = momentum - slope * (momentum * slope).sum(1, True) / (
        slope.square().sum(1, True) + 1e-12
    )
    assert across.norm() < 1e-3 * momentum.norm()
    for mine, theirs in zip((psi, phi), qs.shoot(momentum, METRIC, steps=5), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_seed_decides():
    first, again, other = (draw_geodesic(blob(), METRIC, generator(s))[0] for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_an_image_without_edges_is_refused():
    with pytest.raises(ValueError, match="edge"):
        draw_geodesic(torch.ones(1, 1, 16, 16, 16), METRIC, generator())


def test_smooth_noise_is_as_smooth_as_its_scale():
    rough, smooth = (draw_smooth_noise((32,) * 3, (s,), generator()) for s in (2, 16))

    def roughness(field):
        return (field.diff(dim=2).std() / field.std()).item()

    assert roughness(smooth) < 0.3 * roughness(rough)


def test_disturbed_images_keep_their_background_and_range():
    images = blob().repeat(3, 1, 1, 1, 1)
    images[..., :4] = 0
    result = disturb(images, generator())
    assert not result[..., :4].any()
    assert result.min() >= 0
    assert result.max() <= 1.2


def test_every_image_is_disturbed_in_its_own_way_and_none_at_strength_zero():
    images = blob().repeat(2, 1, 1, 1, 1)
    result = disturb(images, generator())
    assert (result[0] - result[1]).abs().max() > 0.02
    assert (result - images).abs().max() > 0.02
    torch.testing.assert_close(disturb(images, generator(), strength=0), images, atol=1e-4, rtol=0)
