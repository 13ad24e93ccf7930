from __future__ import annotations

import numpy as np
import torch

from quicksilver.images.image import Grid, Image
from quicksilver.transforms.field import WorldField, regrid
from tests.quicksilver.phantoms import make_affine, make_brain, smooth_field

MOVING = make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20))


TARGET = make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (1, 1, -1), (5, -25, 20))


def test_voxels_and_millimetres():
    grid = Grid((4, 4, 4), TARGET)
    step = torch.zeros(1, 3, 4, 4, 4)
    step[:, 1] = 1  # one voxel along array axis 1
    field = WorldField.from_voxels(step, grid)
    assert np.allclose(field.vectors[0, :, 0, 0, 0], TARGET[:3, 1], atol=1e-6)
    torch.testing.assert_close(field.in_voxels(), step)


def test_a_translation_moves_the_image_by_its_millimetres():
    moving = make_brain(0, affine=MOVING)
    shift = MOVING[:3, :3] @ [2, -1, 3]
    grid = moving.grid
    vectors = torch.from_numpy(shift.astype(np.float32)).reshape(1, 3, 1, 1, 1)
    field = WorldField(vectors.expand(1, 3, *grid.shape).contiguous(), grid)
    expected = np.roll(moving.data, (-2, 1, -3), axis=(0, 1, 2))
    inner = (slice(4, -4),) * 3
    assert np.allclose(field.warp(moving).data[inner], expected[inner], atol=1e-2)


def test_labels_are_warped_to_labels_of_their_type():
    values = np.random.default_rng(0).integers(0, 60000, (20, 20, 20)).astype(np.uint16)
    field = smooth_field(Grid((20, 20, 20), np.eye(4)))
    warped = field.warp(Image(values, np.eye(4)), "nearest").data
    assert warped.dtype == np.uint16
    assert set(np.unique(warped)) <= {0, *np.unique(values)}
    assert len(np.unique(warped)) > 1000


def test_onto_another_grid_means_the_same_map():
    source = Grid((30, 30, 30), make_affine((0, 0, 0), (2, 2, 2), origin=(-30, -30, -30)))
    index = np.stack(np.meshgrid(*(np.arange(30.0),) * 3, indexing="ij"))
    linear = torch.from_numpy((0.05 * index + 1).astype(np.float32))[None]
    grid = Grid((8, 9, 10), make_affine((20, 30, 40), (1, 1.5, 1), (1, -1, 1), (0, 0, 0)))
    vectors = WorldField(linear, source).onto(grid).vectors[0].numpy()
    points = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T
    expected = 0.05 * (points + 30) / 2 + 1
    assert np.allclose(vectors, np.moveaxis(expected, -1, 0), atol=1e-4)


def test_outside_of_its_grid_a_field_continues_by_its_border_value():
    values = torch.arange(4.0).reshape(1, 1, 4, 1, 1).expand(1, 1, 4, 4, 4).contiguous()
    far = Grid((2, 2, 2), make_affine((0, 0, 0), (1, 1, 1), origin=(50, 1, 1)))
    assert regrid(values, Grid((4, 4, 4), np.eye(4)), far).eq(3).all()


def test_there_and_back_is_the_identity():
    there, back = (Grid((30, 30, 30), affine) for affine in (MOVING, TARGET))
    shift = torch.tensor([1.0, -2.0, 0.5]).reshape(1, 3, 1, 1, 1)
    first = WorldField(shift.expand(1, 3, *there.shape).contiguous(), there)
    second = WorldField(-shift.expand(1, 3, *back.shape).contiguous(), back)
    assert first.then(second).vectors.abs().max() < 1e-5
    assert torch.allclose(first.then(first).vectors, 2 * first.vectors)
