"""Intensities scaled for the networks."""

import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import equalise_histogram, normalise


def test_normalise():
    data = torch.cat([torch.zeros(5000), torch.linspace(1, 1000, 1000), torch.tensor([1e6])])
    scaled = normalise(data)
    assert scaled[:5000].eq(0).all()
    assert scaled.max() == 1.2
    assert torch.isclose(scaled[5000 + 989], torch.tensor(1.0), atol=2e-3)
    with pytest.raises(QuicksilverError, match="positive"):
        normalise(-data)


def test_normalise_by_the_maximum():
    data = torch.tensor([0.0, 1.0, 3.0, 7.0])
    assert torch.equal(normalise(data, "maximum"), data / 7)
    with pytest.raises(QuicksilverError, match="maximum -1"):
        normalise(-data, "maximum")


def test_equalised_intensities_are_spread_evenly_whatever_they_were():
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(1, 1, 20, 20, 20, generator=generator) * (torch.arange(20) > 4)
    equalised = normalise(data, "equalised")
    assert torch.equal(equalised == 0, data == 0)
    inside = equalised[data != 0]
    assert inside.max() == 1
    counts = torch.histc(inside, bins=10, min=0, max=1)
    assert counts.max() - counts.min() <= 2
    torch.testing.assert_close(normalise(50 * data**3, "equalised"), equalised)
    assert equalised.flatten()[data.argmax()] == 1


def test_equal_intensities_stay_equal():
    data = torch.tensor([0.0, 2.0, 2.0, 5.0])
    torch.testing.assert_close(equalise_histogram(data), torch.tensor([0, 2 / 3, 2 / 3, 1]))
    with pytest.raises(QuicksilverError, match="positive"):
        normalise(0 * data, "equalised")
