from __future__ import annotations

import pytest
import torch

from quicksilver.lddmm.losses import FLAT, LNCC, MI, SSD, make_loss


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


def test_mutual_information_is_that_of_the_joint_histogram():
    """Intensities on the bins: hats count voxels, splines spread them over three."""
    generator = torch.Generator().manual_seed(0)
    bins, spread = 6, torch.tensor([1 / 6, 2 / 3, 1 / 6], dtype=torch.float64)
    a, b = (torch.randint(bins, (1, 1, 6, 5, 7), generator=generator) for _ in range(2))
    found = MI(bins, 1.0)(1.2 * a.double() / (bins - 1), 1.2 * b.double() / (bins - 1))
    joint = torch.zeros(bins + 2, bins, dtype=torch.float64)
    for x, y in zip(a.flatten(), b.flatten(), strict=True):
        joint[x : x + 3, y] += spread
    surprise = -(joint / joint.sum(1, keepdim=True)).clamp(min=1e-30).log()
    expected = sum(spread[k] * surprise[a + k, b] for k in range(3)) / 2
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["ssd", "lncc", "mi"])
def test_gradcheck_of_what_a_fit_minimises(name):
    a, b = images(shape=(5, 6, 5))
    loss, mask = make_loss(name, 0.9), (b > 0.3).double()
    a = (1.1 * a + 0.03).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: (loss(a, b) * mask).sum(), a)


def test_mutual_information_knows_no_contrast_and_keeps_pairs_apart():
    a, b = images(shape=(12, 13, 11))
    loss = MI(sigma=1.0)
    other = (1.2 - a).square() / 1.2
    assert loss(a, other).mean() < 0.6 * loss(b, other).mean()
    together = loss(torch.cat([a, b]), torch.cat([b, b]))
    torch.testing.assert_close(together[:2], loss(a, b))
    with pytest.raises(ValueError, match="at least 4"):
        MI(bins=3)
