from __future__ import annotations

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, find_box, find_brain_box
from quicksilver.images.resampling import make_working_grid
from tests.quicksilver.phantoms import make_affine, make_brain, voxels_in


def test_the_brain_box_is_that_of_the_voxels(brains):
    low, high = find_brain_box(*brains)
    world = np.concatenate([voxels_in(Grid((1, 1, 1), np.eye(4)), image) for image in brains])
    assert np.allclose(low, world.min(axis=0))
    assert np.allclose(high, world.max(axis=0))


def test_images_of_different_worlds_are_refused():
    near, far = (
        make_brain(0),
        make_brain(0, affine=make_affine((0, 0, 0), (1, 1, 1), origin=(99, 0, 0))),
    )
    with pytest.raises(QuicksilverError, match="overlap"):
        make_working_grid(near, far, 2.0)


def test_a_crop_keeps_voxels_where_they_are():
    affine = make_affine((5, -8, 10), (1, 1.1, 2.0), (-1, 1, 1), (25, -20, -18))
    image = make_brain(1, affine=affine)
    box = find_box(image, 2.0)
    part = image.crop(box)
    assert np.count_nonzero(part.data) == np.count_nonzero(image.data)
    assert np.allclose(part.grid.positions(), image.grid.positions()[box])
    tight = part.crop(find_box(part, 0.0))
    assert all(np.take(tight.data, end, axis).any() for axis in range(3) for end in (0, -1))
