"""Alignment and registration of slices, made up and real."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.images.plane import is_flat, lay_flat
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.optimise import optimise
from quicksilver.registration.placement import place_slices
from tests.quicksilver.slices import draw, make_map, make_slice, measure_error


def as_slice(pixels: np.ndarray, spacing: float = 1.0) -> Image:
    affine = lay_flat(np.diag([-spacing, -spacing, 1, 1]))
    return Image(pixels.astype(np.float32)[..., None], affine)


def find_affine(places: np.ndarray) -> np.ndarray:
    """The affine (3, 3), in pixels, from a target to a moving image that is not bent."""
    corner = places[:, 0, 0]
    columns = places[:, 1, 0] - corner, places[:, 0, 1] - corner
    forward = np.eye(3)
    forward[:2] = np.column_stack([*columns, corner])
    return np.linalg.inv(forward)


@pytest.mark.parametrize("spacing", [1.0, 1e-3], ids=["pixels", "micrometres"])
@pytest.mark.parametrize("degrees", [0, 15, 60, 170])
def test_slices_are_aligned_however_they_are_turned(degrees, spacing):
    target, places = make_slice(), make_map(degrees=degrees, bend=0.0)
    found = place_slices(as_slice(draw(target, places), spacing), as_slice(target, spacing))
    assert is_flat(found.affine)
    pixels = np.diag([-spacing, -spacing, 1])
    matrix = np.eye(3)
    matrix[:2] = found.affine[:2][:, [0, 1, 3]]
    matrix = np.linalg.inv(pixels) @ matrix @ pixels
    corners = np.array([[40, 40, 1], [120, 40, 1], [40, 120, 1], [120, 120, 1]]).T
    assert np.abs((matrix - find_affine(places)) @ corners).max() < 0.6
    assert found.affine_similarity > 0.95


def test_a_slice_that_the_picture_cuts_off_is_aligned_by_what_it_shows():
    target, places = make_slice(), make_map(degrees=8, bend=0.0)
    moving = draw(target, places)[50:]
    found = place_slices(as_slice(moving), as_slice(target))
    assert found.in_part
    assert is_flat(found.affine)
    expected = find_affine(places)
    expected[0, 2] -= 50
    centre = np.array([80, 80, 1])
    pixels = np.diag([-1, -1, 1])
    matrix = np.eye(3)
    matrix[:2] = found.affine[:2][:, [0, 1, 3]]
    assert np.abs((pixels @ matrix @ pixels - expected)[:2] @ centre).max() < 1.5


def test_units_of_length_change_nothing():
    target, places = make_slice(), make_map()
    fields = []
    for spacing in (1.0, 1e-3):
        pair = as_slice(draw(target, places), spacing), as_slice(target, spacing)
        options = FitOptions(iterations=(6, 3), device="cpu")
        found = optimise(*pair, options, place_slices(*pair))
        fields.append(found.displacement.in_voxels().numpy())
    assert np.abs(fields[0] - fields[1]).max() < 0.05


def test_a_known_map_of_a_real_slice_is_found(shared):
    volume = nib.load(shared / "data/validate_1mm/m12_1000_t1.nii.gz").get_fdata()
    section = volume[:, :, volume.shape[2] // 2]
    size = 12 + max(section.shape)
    target = np.zeros((size, size))
    target[6:][: section.shape[0], 6 : 6 + section.shape[1]] = section
    places = make_map(size)
    moving = draw(target, places)
    pair = as_slice(moving), as_slice(target)
    found = optimise(*pair, FitOptions(device="cpu"), place_slices(*pair))
    inside = (moving > 0.2 * moving.max()) & (places.min(0) >= 0) & (places.max(0) <= size - 1)
    error = measure_error(found.displacement.in_voxels()[0, :2, ..., 0].numpy(), places, inside)
    assert np.median(measure_error(np.zeros_like(places), places, inside)) > 8
    # The last bits of the pixels decide where between 0.23 and 0.32 it ends.
    assert np.median(error) < 0.5
    assert found.verdict.level == "good"
    assert found.quality.folded_voxels == 0
