from __future__ import annotations

import pytest
import torch

from quicksilver.lddmm.losses import FLAT, LNCC, SSD


def images(seed=0, shape=(7, 6, 9)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(2, 1, *shape, generator=generator, dtype=torch.float64) for _ in range(2)]


def test_squared_differences():
    a, b = images()
    torch.testing.assert_close(SSD(0.3)(a, b), (a - b) ** 2 / (2 * 0.09))


def test_correlation_of_every_window_as_written():
    a, b = images()
    found = LNCC(3, 0.5)(a, b)
    for x, y, z in ((3, 2, 4), (0, 0, 0), (6, 5, 8), (0, 3, 8)):
        window = (1, 0, *(slice(max(i - 1, 0), i + 2) for i in (x, y, z)))
        p, q = a[window].flatten(), b[window].flatten()
        p, q = p - p.mean(), q - q.mean()
        covariance = (p * q).mean() + FLAT
        squared = covariance**2 / (((p * p).mean() + FLAT) * ((q * q).mean() + FLAT))
        torch.testing.assert_close(found[1, 0, x, y, z], (1 - squared) / (2 * 0.25))


def test_correlation_sees_no_gain_and_no_offset_but_missing_texture():
    a, _ = images()
    flat = torch.full_like(a, 0.4)
    loss = LNCC(5, 1.0)
    assert loss(a, 1.3 * a - 0.2).max() < 0.01
    assert loss(a, flat).min() > 0.45, "a flat window is as unlike as can be, 0.5"
    torch.testing.assert_close(loss(flat, flat + 0.3), torch.zeros_like(flat))


@pytest.mark.parametrize("window", [4, 1])
def test_windows_have_a_middle(window):
    with pytest.raises(ValueError, match="odd number"):
        LNCC(window)
