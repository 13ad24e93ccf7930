"""Intensities scaled for the networks."""

import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import normalise


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
