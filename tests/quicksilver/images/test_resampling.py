"""The working grid, and images resampled onto it."""

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.images.resampling import (
    MARGIN,
    make_affine_displacement,
    make_working_grid,
    resample,
)
from tests.quicksilver.phantoms import make_affine, make_brain, voxels_in


@pytest.mark.parametrize("spacing", [1.5, 2.0])
def test_the_working_grid_holds_both_brains_with_its_margin(brains, spacing):
    grid = make_working_grid(*brains, spacing)
    assert np.allclose(grid.affine[:3, :3], spacing * np.eye(3))
    voxels = np.concatenate([voxels_in(grid, image) for image in brains])
    below, above = voxels.min(axis=0), np.array(grid.shape) - 1 - voxels.max(axis=0)
    assert below.min() >= MARGIN - 1e-6
    assert above.min() >= MARGIN - 1e-6
    assert np.allclose(below, above, atol=1e-6), "the box is not centred"
    assert below.max() < MARGIN + 1, "larger than it needs to be"


def test_a_wrong_unit_is_refused():
    huge = make_brain(0, affine=make_affine((0, 0, 0), (1000, 1000, 1000)))
    with pytest.raises(QuicksilverError, match="1024"):
        make_working_grid(huge, huge, 2.0)


def test_resampling_onto_the_own_grid_changes_nothing(brains):
    for image in brains:
        assert np.array_equal(resample(image, image.grid)[0, 0].numpy(), image.data)


def test_a_linear_function_of_the_world_stays_one():
    affine = make_affine((20, -10, 40), (1, 1.3, 0.8), (1, -1, 1), (5, 6, 7))
    slopes = np.array([0.3, -0.7, 1.1])
    ijk = np.moveaxis(np.indices((30, 28, 32)), 0, -1)
    image = Image(((ijk @ affine[:3, :3].T + affine[:3, 3]) @ slopes).astype(np.float32), affine)
    centre = affine[:3, :3] @ [15, 14, 16] + affine[:3, 3]
    grid = Grid((6, 7, 5), make_affine((1, 2, 3), (1, 1, 1), origin=centre - 3))
    points = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    assert np.allclose(resample(image, grid)[0, 0], points @ slopes, atol=1e-3)


def test_outside_of_the_image_is_zero():
    image = Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    grid = Grid((8, 8, 8), make_affine((0, 0, 0), (1, 1, 1), origin=(20, 0, 0)))
    assert not resample(image, grid).any()


def test_coarser_grids_do_not_alias():
    board = 1 + (-1.0) ** np.indices((24, 24, 24)).sum(axis=0)
    image = Image(board.astype(np.float32), np.eye(4))
    grid = Grid((5, 5, 5), make_affine((0, 0, 0), (4, 4, 4), origin=(4, 4, 4)))
    assert np.allclose(resample(image, grid), 1, atol=0.02), "every fourth voxel would be 2"


def test_a_finer_grid_is_not_smoothed():
    image = make_brain(3)
    grid = Grid((60, 60, 60), make_affine((0, 0, 0), (0.5, 0.5, 0.5), origin=(4, 4, 4)))
    fine = resample(image, grid)[0, 0].numpy()
    assert np.array_equal(fine[::2, ::2, ::2], image.data[4:34, 4:34, 4:34])


def test_labels_keep_their_values_and_type():
    labels = Image(np.random.default_rng(0).integers(0, 3000, (12, 12, 12), np.int16), np.eye(4))
    grid = Grid((20, 20, 20), make_affine((9, 0, 5), (0.5, 0.6, 0.5), origin=(1, 1, 1)))
    moved = resample(labels, grid, "nearest").numpy()
    assert moved.dtype == np.int16
    assert set(np.unique(moved)) <= set(np.unique(labels.data)) | {0}


def test_affine_displacement_is_the_affine_map():
    matrix = make_affine((10, 20, 30), (1, 2, 3), origin=(4, 5, 6))
    field = make_affine_displacement(matrix, (3, 4, 5))[0].numpy()
    index = np.array([2, 1, 4])
    expected = matrix[:3, :3] @ index + matrix[:3, 3]
    assert np.allclose(index + field[:, 2, 1, 4], expected, atol=1e-5)
