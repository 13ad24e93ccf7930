from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from quicksilver.images.image import Grid, Image
from quicksilver.registration.evaluation import (
    average_scores,
    judge_difference,
    judge_labels,
    judge_map,
    measure_inverse_consistency,
    measure_log_jacobian_sd,
    score_labels,
)
from quicksilver.transforms.field import WorldField
from quicksilver.transforms.folds import count_folds
from tests.quicksilver.phantoms import make_affine


@pytest.fixture
def labels() -> np.ndarray:
    """Three blocks with codes that are far apart."""
    values = np.zeros((20, 22, 24), np.int32)
    values[3:9, 3:12, 4:10] = 5
    values[9:15, 3:12, 4:10] = 2035
    values[4:10, 13:19, 12:20] = 17
    return values


def surface_distance(a: np.ndarray, b: np.ndarray, spacing) -> float:
    """HD95 from all pairs of surface voxels."""
    surfaces = []
    for inside in (a, b):
        padded = np.pad(inside, 1)
        neighbours = [np.roll(padded, s, axis) for axis in range(3) for s in (-1, 1)]
        core = np.logical_and.reduce(neighbours)[1:-1, 1:-1, 1:-1]
        surfaces.append(np.argwhere(inside & ~core) * spacing)
    distances = cdist(*surfaces)
    return max(np.percentile(distances.min(axis=axis), 95) for axis in (0, 1))


def test_scores_by_hand(labels):
    warped = np.roll(labels, (1, 2), axis=(0, 2))
    spacing = np.array([1.0, 1.5, 0.8])
    scores = {score.label: score for score in score_labels(warped, labels, spacing)}
    assert list(scores) == [5, 17, 2035]
    for label, score in scores.items():
        a, b = warped == label, labels == label
        assert np.isclose(score.overlap, (a & b).sum() / b.sum())
        assert np.isclose(score.dice, 2 * (a & b).sum() / (a.sum() + b.sum()))
        assert np.isclose(score.hd95_mm, surface_distance(a, b, spacing))


def test_a_lost_label_and_a_foreign_one(labels):
    warped = np.where(labels == 17, 99, labels)
    scores = {score.label: score for score in score_labels(warped, labels, np.ones(3))}
    assert set(scores) == {5, 17, 2035}
    assert (scores[17].overlap, scores[17].dice, scores[17].hd95_mm) == (0, 0, None)
    assert scores[5].overlap == scores[5].dice == 1
    assert scores[5].hd95_mm == 0
    means = average_scores(list(scores.values()))
    assert np.isclose(means["overlap"], 2 / 3)
    assert means["hd95_mm"] == 0


def test_overlap_is_of_the_target_and_dice_of_both():
    target = np.zeros((8, 8, 8), int)
    target[2:4, 2:6, 2:6] = 1
    warped = np.zeros_like(target)
    warped[2:6, 2:6, 2:6] = 1
    (score,) = score_labels(warped, target, np.ones(3))
    assert np.isclose(score.hd95_mm, surface_distance(warped == 1, target == 1, np.ones(3)))
    assert score.overlap == 1
    assert np.isclose(score.dice, 2 / 3)


def test_labels_before_and_after_a_known_shift(labels):
    affine = make_affine((0, 0, 90), (1, 1.2, 1.5), (1, -1, 1), (4, 5, 6))
    moving, target = Image(np.roll(labels, 2, axis=0), affine), Image(labels, affine)
    shift = torch.zeros(1, 3, *labels.shape)
    shift[:, 0] = 2
    judged = judge_labels(WorldField.from_voxels(shift, target.grid), moving, target)
    assert judged["after"]["dice"] == judged["after"]["overlap"] == 1
    assert np.isclose(judged["labels"][0]["overlap_before"], 4 / 6)
    assert np.isclose(judged["before"]["overlap"], 4 / 6)


def test_labels_may_lie_on_another_grid_than_the_target(labels):
    fine = Grid(labels.shape, np.eye(4))
    coarse = Grid((10, 11, 12), make_affine((0, 0, 0), (2, 2, 2), origin=(0.5, 0.5, 0.5)))
    shift = torch.zeros(1, 3, *coarse.shape)
    shift[:, 1] = 1.5  # voxels of 2 mm
    field = WorldField.from_voxels(shift, coarse)
    judged = judge_labels(
        field, Image(np.roll(labels, 3, axis=1), fine.affine), Image(labels, np.eye(4))
    )
    assert judged["after"]["overlap"] == 1


def test_regularity_of_a_scaling():
    grid = Grid((12, 12, 12), make_affine((0, 0, 0), (2, 1, 1)))
    index = torch.stack(torch.meshgrid(*(torch.arange(12.0),) * 3, indexing="ij"))[None]
    there, back = 0.1 * (index - 6), -(1 - 1 / 1.1) * (index - 6)
    inside = torch.zeros(1, 1, 12, 12, 12, dtype=torch.bool)
    inside[..., 3:9, 3:9, 3:9] = True
    assert measure_log_jacobian_sd(there, inside) < 1e-6
    assert measure_inverse_consistency(there, back, inside).max < 1e-5
    assert np.isclose(measure_inverse_consistency(there, 0 * back, inside).max, 0.3 * 3**0.5)
    fields = (WorldField.from_voxels(u, grid) for u in (there, back))
    judged = judge_map(*fields, inside[0, 0].numpy())
    assert judged["folded_voxels"] == 0
    assert judged["folded_volume_mm3"] == 0
    assert judged["inverse_consistency_mm"]["max"] < 1e-4


def test_the_sd_of_the_log_jacobian_leaves_folds_out():
    displacement = torch.zeros(1, 3, 12, 12, 12)
    displacement[0, 0, :6] = 0.5 * torch.arange(6.0)[:, None, None]  # det 1.5 there, 1 elsewhere
    displacement[0, 0, 8:] = -5
    inside = torch.zeros(1, 1, 12, 12, 12, dtype=torch.bool)
    inside[..., [2, 3, 10], :, :] = True
    inside[..., 8, :, :] = True
    logs = np.array([np.log(1.5)] * 2 * 144 + [0.0] * 144)
    assert np.isclose(measure_log_jacobian_sd(displacement, inside), logs.std(), atol=1e-5)


def test_folds_are_reported_as_a_volume_in_mm3():
    grid = Grid((6, 6, 6), make_affine((0, 0, 0), (2, 1, 1)))
    displacement = torch.zeros(1, 3, 6, 6, 6)
    displacement[0, 0, 3, 3, 3] = 1.5
    field = WorldField.from_voxels(displacement, grid)
    judged = judge_map(field, field, np.ones(grid.shape, bool))
    assert judged["folded_voxels"] == 2
    assert np.isclose(judged["folded_volume_mm3"], 2 * count_folds(displacement).volume)


def test_the_distance_to_another_map_is_in_mm_and_in_the_mask_alone():
    grid = Grid((11, 5, 5), make_affine((10, 0, 20), (2, 1, 1)))
    vectors = torch.zeros(1, 3, 11, 5, 5)
    vectors[:, 1] = torch.arange(11.0)[:, None, None]
    vectors[:, :, :, 0] = 100
    inside = np.ones(grid.shape, bool)
    inside[:, 0] = False
    still = WorldField.identity(Grid((3, 3, 3), np.diag([9.0, 9, 9, 1])))
    found = judge_difference(WorldField(vectors, grid), still, inside)
    assert found["50"] == pytest.approx(5)
    assert found["99.7"] == pytest.approx(10)
