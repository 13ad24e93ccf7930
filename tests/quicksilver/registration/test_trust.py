"""Registrations that a clinician can trust, by the model that ships, on people of IXI."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import quicksilver
import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.training.synthesis import disturb


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "train_2mm"


@pytest.fixture(scope="module")
def person(folder) -> Image:
    return read_image(folder / "ixi_661_t1.nii.gz")


@pytest.fixture(scope="module")
def labels(folder) -> Image:
    return read_image(folder / "ixi_661_lab.nii.gz", labels=True)


@pytest.fixture(scope="module")
def other(folder) -> Image:
    return read_image(folder / "ixi_603_t1.nii.gz")


def with_data(image: Image, data: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(data, dtype=np.float32), image.affine)


def rescan(image: Image, seed: int) -> Image:
    """The same brain under another noise, bias field, contrast and sharpness."""
    scale = float(np.percentile(image.data[image.data > 0], 99))
    data = torch.from_numpy(np.float32(image.data / scale))[None, None]
    changed = disturb(data, torch.Generator().manual_seed(seed), 0.5)
    return with_data(image, scale * changed[0, 0].numpy())


def test_an_image_registered_to_itself_stays(person, labels):
    found = quicksilver.register(person, person, device="cpu")
    assert not found.psi.any()
    assert found.overlap(labels, labels)["after"] == 1
    assert found.verdict.level == "good"


def test_the_same_person_scanned_twice_hardly_moves(person, labels):
    found = quicksilver.register(person, rescan(person, 0), device="cpu")
    brain = found.pair.target > 0
    assert found.quality.displacement_mm.mean < 0.2
    assert qs.jacobian_determinant(found.psi)[brain].min() > 0.6
    overlap = found.overlap(labels, labels)
    assert overlap["after"] > overlap["before"] - 0.01
    assert found.verdict.level == "good"


def test_people_are_brought_together_and_back(person, other):
    """Swapping the images gives nearly the inverse map."""
    there = quicksilver.register(person, other, device="cpu")
    back = quicksilver.register(other, person, device="cpu")
    assert there.verdict.level == back.verdict.level == "good"
    round_trip = there.displacement.then(back.displacement)
    inside = torch.from_numpy(other.data > 0)
    error = round_trip.vectors[0].square().sum(0).sqrt()[inside]
    moved = there.displacement.vectors[0].square().sum(0).sqrt()[inside]
    assert error.median() < 2.0
    assert error.median() < 0.3 * moved.median()


@pytest.mark.parametrize(
    ("spoil", "level"),
    [
        (lambda x: np.where(x > 0, x.max() - x + 1, 0), "failed"),
        (lambda x: np.where(np.arange(x.shape[2]) < x.shape[2] // 2, 0, x), "doubtful"),
    ],
    ids=["inverted contrast", "half a brain"],
)
def test_wrong_pairs_are_not_good(person, other, spoil, level):
    found = quicksilver.register(with_data(person, spoil(person.data)), other, device="cpu")
    assert found.verdict.level == level, found.verdict
    assert found.verdict.reasons


def test_a_person_flipped_is_not_taken_for_himself(person):
    flipped = with_data(person, person.data[::-1])
    found = quicksilver.register(flipped, person, device="cpu")
    assert any("left and right" in reason for reason in found.verdict.reasons)


def test_another_animals_scale_fails(person, other):
    giant = Image(person.data, person.affine @ np.diag([2.5, 2.5, 2.5, 1.0]))
    found = quicksilver.register(giant, other, device="cpu")
    assert found.verdict.level == "failed"
    assert any("factor of" in reason for reason in found.verdict.reasons)


def test_an_empty_image_is_refused(person):
    with pytest.raises(QuicksilverError):
        quicksilver.register(with_data(person, 0 * person.data), person, device="cpu")


def test_any_number_of_threads_gives_the_same_bits(person, other):
    found, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(quicksilver.register(person, other, device="cpu"))
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(found[0].affine, found[1].affine)
    assert torch.equal(found[0].psi, found[1].psi)
    assert torch.equal(found[0].phi, found[1].phi)
