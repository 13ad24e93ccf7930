from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib import image as png

from quicksilver.results.png import draw
from quicksilver.results.views import make_views


@pytest.fixture(scope="module")
def picture(registration, tmp_path_factory) -> np.ndarray:
    path = tmp_path_factory.mktemp("report") / "report.png"
    draw(make_views(registration), "a line", path)
    return png.imread(path)[..., :3]


def columns(picture: np.ndarray) -> list[np.ndarray]:
    """The seven columns of pictures, without title and scales."""
    return np.array_split(picture[90:-60, 40:], 7, axis=1)


def test_every_column_shows_something(picture):
    assert picture.shape[1] > 1500
    for column in columns(picture):
        for plane in np.array_split(column, 3, axis=0):
            assert plane.std() > 0.03


def test_images_are_grey_and_maps_are_coloured(picture):
    colour = [np.ptp(column, axis=-1).mean() for column in columns(picture)]
    assert max(colour[:3]) < 0.01 < min(colour[3:])


def test_the_identity_has_a_straight_grid_and_a_white_jacobian(registration, tmp_path):
    still = dataclasses.replace(registration, psi=registration.psi * 0)
    volumes = make_views(still)
    assert np.allclose(volumes.warped, volumes.moving, atol=0.02)
    assert np.allclose(volumes.jacobian, 1)
    assert not volumes.field.any()


def test_the_field_shown_is_the_displacement(registration):
    """In voxels of the display grid, whose axes are those of the working grid."""
    volumes = make_views(registration)
    largest = registration.psi.abs().amax(dim=(0, 2, 3, 4)).numpy() * 2.0 / volumes.spacing
    seen = np.abs(volumes.field).max(axis=(1, 2, 3))
    assert np.all(seen <= largest + 1e-3)
    assert np.all(seen > 0.85 * largest)
