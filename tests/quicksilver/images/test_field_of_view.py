from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from quicksilver.images.field_of_view import FieldOfView
from quicksilver.images.image import Grid, Image
from quicksilver.images.resampling import make_working_grid, resample
from quicksilver.io.images import read_image
from tests.quicksilver.phantoms import make_affine, make_brain

OBLIQUE = make_affine((8, -5, 12), (2, 2, 2), (-1, 1, 1), (40, -60, 20))


def brain(affine=OBLIQUE) -> Image:
    return make_brain(0, (66, 80, 62), affine)


def cropped(image: Image, axis: int, first: int, last: int) -> Image:
    """The planes from first to last of an array axis."""
    start = np.eye(4)
    start[axis, 3] = first
    part = tuple(slice(first, last + 1) if a == axis else slice(None) for a in range(3))
    return Image(image.data[part], image.affine @ start)


def filled(image: Image, axis: int, first: int, last: int) -> Image:
    """The image with zeros in the planes before first and after last."""
    index = np.indices(image.data.shape)[axis]
    return Image(np.where((index >= first) & (index <= last), image.data, 0), image.affine)


def test_whole_brains_are_cut_nowhere(shared):
    files = sorted((shared / "data" / "train_2mm").glob("ixi_*_t1.nii.gz"))[::15]
    assert all(FieldOfView.detect(read_image(file)).whole for file in files)
    assert FieldOfView.detect(brain()).whole


@pytest.mark.parametrize("slices", [(4, 1, 1), (1, 4, 1), (1, 1, 4)])
def test_thick_slices_of_a_whole_brain_are_no_cut(slices):
    image = brain()
    x, y, z = (slice(None, None, step) for step in slices)
    thick = Image(image.data[x, y, z], image.affine @ np.diag([*slices, 1.0]))
    assert FieldOfView.detect(thick).whole


@pytest.mark.parametrize("part", [cropped, filled])
@pytest.mark.parametrize("axis", range(3))
def test_cuts_lie_at_the_last_planes(part, axis):
    image = brain()
    first, last = (30, 45) if axis != 1 else (30, 52)
    planes = FieldOfView.detect(part(image, axis, first, last)).planes
    assert len(planes) == 2
    centre = np.array(image.data.shape) / 2
    for index, sign in ((first, 1), (last, -1)):
        point = np.array([*centre, 1.0])
        point[axis] = index
        distances = planes @ image.affine @ point
        assert np.abs(distances).min() < 1e-9
        inward = np.zeros(4)
        inward[axis] = sign
        assert np.allclose((planes @ image.affine @ inward)[np.abs(distances).argmin()], 2)


def test_a_cut_through_one_end_leaves_the_others_open():
    planes = FieldOfView.detect(cropped(brain(np.diag([2.0, 2, 2, 1])), 2, 30, 61)).planes
    assert np.allclose(
        planes, [[0, 0, 1, 0]] @ np.linalg.inv(np.diag([2.0, 2, 2, 1])) * 2 - [0, 0, 0, 60]
    )


def test_a_tilted_cut_is_found():
    """As of a slab that was brought onto another grid: its planes are none of the array's."""
    image = brain(np.diag([2.0, 2, 2, 1]))
    normal = Rotation.from_euler("xyz", (14, -6, 0), degrees=True).as_matrix()[:, 2]
    world = np.moveaxis(np.indices(image.data.shape), 0, -1) * 2.0
    height = (world - (66, 80, 62)) @ normal
    half = Image(np.where(height > -4, image.data, 0), image.affine)
    [plane] = FieldOfView.detect(half).planes
    assert plane[:3] @ normal > np.cos(np.radians(1))
    assert abs(plane @ [66, 80, 62, 1] - 4) < 3  # within a voxel of where it was cut, and inside


def test_mask_and_weights_on_another_grid():
    slab = cropped(brain(), 2, 20, 40)
    view = FieldOfView.detect(slab)
    grid = make_working_grid(brain(), brain(), 3.0)
    into = (np.linalg.inv(slab.affine) @ grid.affine)[2]
    index = np.moveaxis(np.indices(grid.shape), 0, -1) @ into[:3] + into[3]
    inside, close = (index > 0) & (index < 20), (np.abs(index) < 0.01) | (np.abs(index - 20) < 0.01)
    assert np.array_equal(view.mask(grid)[0, 0].numpy()[~close], inside[~close])
    weights = view.weigh(grid.affine, grid.shape)[0, 0].numpy()
    assert weights[inside].min() > 0.49
    assert weights[~inside].max() < 0.51
    assert ((weights > 0.01) & (weights < 0.99)).any()
    assert weights.min() == 0
    assert weights.max() == 1


def test_a_part_is_continued_beyond_its_cuts():
    slab = cropped(brain(np.eye(4)), 2, 20, 40)
    grid = Grid((66, 80, 41), np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 10.0], [0, 0, 0, 1]]))
    found = FieldOfView.detect(slab).extend(slab, grid)[0, 0].numpy()
    assert np.allclose(found[..., 10:31], slab.data, atol=1e-3)
    assert np.allclose(found[..., :10], slab.data[..., :1], atol=1e-3)
    assert np.allclose(found[..., 31:], slab.data[..., -1:], atol=1e-3)


def test_a_whole_brain_is_resampled_as_ever():
    image, grid = brain(), make_working_grid(brain(), brain(), 3.0)
    assert FieldOfView.detect(image).extend(image, grid).equal(resample(image, grid))
