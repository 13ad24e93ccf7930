"""Training batches: reproducible, of people in many poses, or of geodesics with their true
momentum.
"""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.training.batches import Geodesics, Subjects, cut, pose
from quicksilver.training.painting import TISSUES, draw_palette, paint
from quicksilver.training.settings import Variation
from tests.quicksilver.training_data import METRIC, head, people

STILL = Variation(scanner=0, intensity=0, rotation=0, scale=0, shift=0, misalignment=0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_variation_a_pair_is_two_people_or_their_mirror_images():
    everyone = people(4)
    seen = set()
    for seed in range(12):
        batch = Subjects(everyone, STILL, METRIC).batch(1, generator(seed))
        for image in (batch.moving, batch.target):
            matches = [
                (member, mirrored)
                for member in range(4)
                for mirrored in (False, True)
                if torch.allclose(
                    everyone.image(member).flip(2) if mirrored else everyone.image(member),
                    image,
                    atol=1e-3,
                )
            ]
            assert len(matches) == 1
            seen.update(matches)
        assert not torch.equal(batch.moving, batch.target)
        torch.testing.assert_close(batch.moving, batch.seen_moving, atol=2e-4, rtol=0)
    assert {mirrored for _, mirrored in seen} == {False, True}


def test_the_generator_decides_a_batch():
    source = Subjects(people(5), Variation(), METRIC)
    first, again, other = (source.batch(2, generator(s)) for s in (1, 1, 2))
    assert torch.equal(first.seen_target, again.seen_target)
    assert not torch.equal(first.seen_target, other.seen_target)


def test_a_common_pose_leaves_a_pair_aligned_and_misalignment_does_not():
    image = head(0)
    loose = Variation(rotation=10, scale=0.05, shift=2, misalignment=0.03)
    for variation, least, most in (
        (loose.model_copy(update={"misalignment": 0}), 0, 1e-6),
        (loose, 0.02, 1.2),
    ):
        moving, target = pose(image, image, variation, generator(3))
        assert least <= (moving - target).abs().max() <= most
        assert (moving - image).abs().max() > 0.1


def test_a_window_cuts_the_same_box_of_both_images():
    image, seen = head(0), set()
    for seed in range(6):
        moving, target = cut((image, image + 1), (10, 24, 30), generator(seed))
        assert moving.shape == (1, 1, 10, 24, 24)  # all of an axis that is shorter than the window
        assert torch.equal(target, moving + 1)
        seen |= {x for x in range(15) if torch.equal(moving, image[:, :, x : x + 10])}
    assert len(seen) > 1, "always the same box"
    windowed = Variation(window=(10, 16, 12))
    for source in (Subjects(people(2), windowed, METRIC), Geodesics(people(2), windowed, METRIC)):
        assert source.batch(2, generator()).seen_target.shape == (2, 1, 10, 16, 12)


def test_a_geodesic_carries_the_image_by_the_momentum_that_it_states():
    batch = Geodesics(people(2), Variation(), METRIC).batch(2, generator())
    psi, _ = qs.shoot(batch.momentum, METRIC, 10)
    torch.testing.assert_close(qs.warp(batch.moving, psi), batch.target, atol=1e-4, rtol=0)
    assert (batch.moving - batch.target).abs().max() > 0.05
    assert (batch.seen_moving - batch.moving).abs().max() > 0.01


def test_people_without_images_are_painted_with_one_palette_per_pair():
    labelled = people(3, labelled=True)
    painted = type(labelled)(labelled.names, None, labelled.labels, labelled.grid)
    batch = Subjects(painted, STILL, METRIC).batch(1, generator(5))
    assert ((batch.moving > 0) == (batch.target > 0)).float().mean() > 0.99  # balls of one size
    means = [image[image > 0].mean().item() for image in (batch.moving, batch.target)]
    assert means[0] == pytest.approx(means[1], rel=0.1)


def test_a_painted_head_is_dark_where_fluid_is_and_bright_in_white_matter():
    labels = torch.zeros(1, 1, 20, 20, 20, dtype=torch.int16)
    labels[..., 2:10, 2:18, 2:18] = 2
    labels[..., 10:18, 2:18, 2:18] = 4
    assert 2 in TISSUES[0.95]
    assert 4 in TISSUES[0.20]
    image = paint(labels, draw_palette(generator()), generator())
    assert image[labels == 2].mean() > 2 * image[labels == 4].mean()
    assert (image[labels == 0] == 0).all()
    assert image.max() < 1.3
