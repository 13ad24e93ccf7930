from __future__ import annotations

import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import match_histogram, normalise
from quicksilver.images.resampling import make_working_grid, resample
from quicksilver.registration import pair
from quicksilver.registration.pair import Placement, prepare
from quicksilver.runtime import devices
from tests.quicksilver.phantoms import make_affine


@pytest.fixture(scope="module")
def placed(brains):
    """A pair whose moving image lies elsewhere, on a grid that is oblique and stretched."""
    moving, target = brains
    affine = make_affine((20, -10, 15), (1.1, 0.9, 1.05), origin=(30, -20, 10))
    frame = make_affine((-12, 5, 8), (0.9, 0.95, 0.85), origin=(4, 5, 6))
    elsewhere = moving.reframe(np.linalg.inv(affine))
    return prepare(elsewhere, target, 2.0, placement=Placement(affine, frame))


def random_map(pair, seed):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, 4, 4, 4, generator=generator)
    size = tuple(pair.grid.shape)
    return torch.nn.functional.interpolate(coarse, size, mode="trilinear", align_corners=True)


def at(vectors, index):
    return vectors[(0, slice(None), *index)].double().numpy()


def world(affine, index):
    return affine[:3, :3] @ index + affine[:3, 3]


def test_the_working_grid_lies_along_the_frame(placed):
    axes = np.linalg.inv(placed.placement.frame) @ placed.grid.affine
    assert np.allclose(axes[:3, :3], 2 * np.eye(3))
    assert (placed.moving > 0).any()
    assert (placed.target > 0).any()
    faces = [placed.moving.movedim(axis, 0)[end] for axis in (2, 3, 4) for end in (0, -1)]
    assert not any(face.any() for face in faces)


def test_placing_changes_a_header_and_nothing_else(brains, placed):
    """The placed image is where the moving image was before it was moved elsewhere."""
    grid = make_working_grid(*brains, 2.0, frame=placed.placement.frame)
    assert placed.grid.matches(grid)
    for image, tensor in zip(brains, (placed.moving, placed.target), strict=True):
        torch.testing.assert_close(tensor, normalise(resample(image, grid)), atol=1e-3, rtol=0)


def test_the_forward_field_is_the_affine_after_psi(placed):
    psi = random_map(placed, 0)
    found = placed.forward(placed.beyond_affine(psi), placed.grid).vectors
    for index in ((3, 4, 5), (10, 20, 15)):
        here = world(placed.grid.affine, np.array(index))
        there = world(placed.grid.affine, np.array(index) + at(psi, index))
        expected = world(placed.placement.affine, there) - here
        assert np.allclose(at(found, index), expected, atol=1e-3)


def test_the_backward_field_is_phi_after_the_inverse_affine(placed):
    """Everywhere phi moves by the same: 1, 2 and 3 voxels."""
    shift = torch.tensor([1.0, 2.0, 3.0])
    phi = shift[None, :, None, None, None].expand(1, 3, *placed.grid.shape).contiguous()
    field = placed.backward(placed.before_affine(phi))
    assert field.grid.matches(placed.moving_image.grid)
    for index in ((3, 4, 5), (30, 20, 25)):
        here = world(placed.moving_image.affine, np.array(index))
        back = world(np.linalg.inv(placed.placement.affine), here)
        expected = back + placed.grid.affine[:3, :3] @ shift.numpy() - here
        assert np.allclose(at(field.vectors, index), expected, atol=1e-3)


def test_without_motion_there_and_back_is_nowhere(placed):
    still = torch.zeros(1, 3, *placed.grid.shape)
    there, back = placed.forward(placed.beyond_affine(still)), placed.backward(still)
    inside = torch.from_numpy(placed.target_image.data > 0)[None]
    assert there.then(back).vectors.norm(dim=1)[inside].max() < 1e-2
    warped, direct = (
        there.warp(placed.moving_image).data,
        resample(placed.placed, placed.target_image.grid)[0, 0].numpy(),
    )
    assert np.abs(warped - direct).mean() < 0.02 * direct.mean()


def test_too_little_memory_is_said_before_anything_is_computed(brains, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda device: 2**20)
    monkeypatch.setattr(pair.FieldOfView, "extend", None)
    with pytest.raises(
        QuicksilverError, match=r"free memory on cpu, found 0\.0 GB; .* are too many"
    ):
        prepare(*brains, 2.0)


def test_a_fit_needs_more_the_more_steps_it_keeps():
    assert pair.fitting_memory(20) > pair.fitting_memory(10) > pair.PREDICTING


def test_matched_histograms(placed):
    changed = (placed.target.sqrt() * 0.7) * (placed.target > 0)
    matched = match_histogram(changed, placed.target)
    assert not matched[changed == 0].any()
    assert (matched - placed.target).abs().max() < 0.03
    pair_ = prepare(
        placed.moving_image,
        placed.target_image,
        2.0,
        placement=placed.placement,
        histogram_matching=True,
    )
    quantiles = [np.percentile(t[t > 0], (10, 50, 90)) for t in (pair_.moving, pair_.target)]
    assert np.allclose(*quantiles, atol=0.01)


def test_prepare_brings_both_images_to_one_grid_and_scale(brains):
    pair = prepare(*brains, 2.0)
    assert pair.grid.matches(make_working_grid(*brains, 2.0))
    for image, tensor in zip(brains, (pair.moving, pair.target), strict=True):
        torch.testing.assert_close(tensor, normalise(resample(image, pair.grid)))
