from __future__ import annotations

import json

import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.registration import alignment
from quicksilver.registration.alignment import Alignment
from quicksilver.registration.placement import FOLDER, load_template, place, write_notes
from tests.quicksilver.phantoms import make_affine
from tests.quicksilver.registration.test_alignment import distance


def test_the_template_is_a_whole_brain():
    brain = load_template()
    litres = np.count_nonzero(brain.data) * np.prod(brain.grid.spacing) * 1e-6
    assert 1.2 < litres < 2.2
    notice = (FOLDER / "NOTICE.md").read_text()
    assert "Copyright (C) 1993-2004" in notice, "its licence asks for that in all copies"


def test_people_are_placed_in_the_frame_of_the_training(shared):
    """Near to the matrices with which the networks' training images were brought there."""
    data = shared / "data"
    images = [read_image(data / "train_2mm" / f"ixi_{n}_t1.nii.gz") for n in (661, 603)]
    matrices = json.loads((data / "affine_to_mni.json").read_text())
    placed = place(*images)
    assert distance(placed.frame, np.array(matrices["ixi_603"]["M"]), load_template()) < 3
    assert not placed.notes
    assert placed.template_similarity > 0.85


def test_an_atlas_takes_the_place_of_the_template(shared):
    moving, target = (
        read_image(shared / "data" / "train_2mm" / f"ixi_{n}_t1.nii.gz") for n in (661, 603)
    )
    turn = make_affine((10, -5, 8), (1.05, 1.0, 0.95), origin=(20, -10, 5))
    placed = place(moving, target, atlas=target.reframe(turn))
    assert distance(placed.frame, turn, target) < 0.5
    assert placed.template_similarity > 0.95
    assert placed.mirror_gain is None
    assert distance(placed.frame, place(moving, target).frame, target) > 5


def test_a_part_of_a_brain_lies_along_its_own_axes(shared):
    folder = shared / "data" / "hippocampus"
    images = [read_image(folder / f"hip_{number}_t1.nii.gz") for number in ("001", "003")]
    placed = place(*images)
    assert np.array_equal(placed.frame, np.eye(4))
    assert [note for note in placed.notes if "unlike the template" in note]


@pytest.mark.parametrize("same", [True, False])
def test_what_is_said_of_images_in_one_space(shared, same):
    image = read_image(shared / "data" / "train_2mm" / "ixi_661_t1.nii.gz")
    shift = np.eye(4)
    shift[0, 3] = 0 if same else 8
    placed = place(Image(image.data, shift @ image.affine), image)
    assert placed.already_aligned == same
    assert any("in one space" in note for note in placed.notes) == same
    assert np.allclose(placed.affine, shift, atol=0.2)


def test_a_similarity_that_is_missed_by_little_is_not_shown_as_reached():
    nearly = Alignment(np.eye(4), 0.8499)
    assert any("similarity of 0.84 where" in note for note in write_notes(nearly, nearly))


def test_a_few_voxels_are_not_aligned_and_cost_little(monkeypatch):
    """In 16 mm of a brain there are fewer numbers, at 8 mm, than an affine has parameters."""
    visited = []
    linearise = alignment._linearise

    def count(trial, moving, target):
        visited.append(len(trial))
        return linearise(trial, moving, target)

    monkeypatch.setattr(alignment, "_linearise", count)
    data = np.random.default_rng(0).random((2, 8, 8, 8)).astype(np.float32) + 1
    moving, target = (Image(each, np.diag([2.0, 2, 2, 1])) for each in data)
    placed = place(moving, target)
    assert np.array_equal(placed.affine, np.eye(4))
    assert np.array_equal(placed.frame, np.eye(4))
    assert "too little of a brain" in placed.notes[0]
    assert not any("in one space" in note for note in placed.notes)
    assert sum(visited) < 20
