"""Pictures on white paper."""

from __future__ import annotations

import numpy as np
import pytest

from quicksilver.images.background import invert_bright_background
from quicksilver.images.image import Image
from tests.quicksilver.slices import make_slice


@pytest.mark.parametrize("noise", [0, 6])
def test_what_lies_on_paper_is_inverted(noise):
    dark = make_slice()
    speckle = noise * np.random.default_rng(0).random(dark.shape)
    picture = Image((255 - dark - speckle).astype(np.float32)[..., None], np.eye(4))
    found = invert_bright_background(picture)
    assert abs(found.white - (255 - noise / 2)) <= noise / 2
    assert not found.data[0].any()  # paper, with its noise
    tissue = dark > 80
    assert np.allclose(found.data[tissue, 0], dark[tissue], atol=noise)
    again = invert_bright_background(Image(found.data, np.eye(4)))
    assert again.white == 0
    assert again.data is found.data


def test_what_fills_the_picture_stays_as_it_is():
    texture = np.random.default_rng(0).random((40, 50, 1)).astype(np.float32)
    assert invert_bright_background(Image(texture, np.eye(4))).white == 0
