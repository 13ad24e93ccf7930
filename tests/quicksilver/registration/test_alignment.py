from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from quicksilver import demo
from quicksilver.images.image import Grid, Image
from quicksilver.images.resampling import resample
from quicksilver.io.images import read_image
from quicksilver.registration.alignment import _sum_up, align
from quicksilver.registration.evaluation import measure_overlap
from quicksilver.registration.levels import build_levels
from tests.quicksilver.phantoms import make_affine

TURNED = {
    "axes in another order": np.eye(3)[[1, 2, 0]],
    "A and P exchanged": np.diag([1.0, -1, 1]),
}


def random_affine(seed: int, degrees: float = 30) -> np.ndarray:
    """A rotation by so many degrees, scales from 0.85 to 1.15, shears, a shift of up to 50 mm."""
    rng = np.random.default_rng(seed)
    axis = rng.standard_normal(3)
    turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()
    matrix = np.eye(4)
    shears = rng.uniform(-0.05, 0.05, (3, 3))
    matrix[:3, :3] = turn @ (np.diag(rng.uniform(0.85, 1.15, 3)) + shears)
    matrix[:3, 3] = rng.uniform(-50, 50, 3)
    return matrix


def with_header(matrix: np.ndarray, image: Image) -> Image:
    """The image with another header: `matrix` takes its points to the new ones."""
    return Image(image.data, matrix @ image.affine)


def distance(found: np.ndarray, true: np.ndarray, image: Image) -> float:
    """Mean distance in mm of where two affines take the points of a brain."""
    voxels = np.argwhere(image.data > 0)[::50]
    points = np.column_stack([voxels, np.ones(len(voxels))]) @ image.affine.T
    return float(np.linalg.norm(points @ (found - true)[:3].T, axis=1).mean())


@pytest.fixture(scope="module")
def phantom() -> Image:
    """The template's brain, oblique, with a hole on one side: without, it is its mirror image."""
    image = demo.make_brain()
    data = image.data.copy()
    centre = np.array(data.shape) * (0.7, 0.4, 0.6)
    hole = np.linalg.norm(np.moveaxis(np.indices(data.shape), 0, -1) - centre, axis=-1) < 8
    data[hole] *= 0.3
    return Image(data, make_affine((5, -8, 10), (1, 1.02, 0.97), (-1, 1, 1)) @ image.affine)


@pytest.fixture(scope="module")
def person(shared) -> Image:
    return read_image(shared / "data" / "train_2mm" / "ixi_661_t1.nii.gz")


@pytest.mark.parametrize("seed", range(3))
def test_a_known_affine_of_a_phantom_is_found(phantom, seed):
    true = random_affine(seed)
    found = align(build_levels(with_header(true, phantom)), build_levels(phantom))
    assert distance(found.matrix, true, phantom) < 0.1
    assert found.convincing
    assert not found.unmoved


@pytest.mark.parametrize("turn", TURNED)
def test_headers_that_are_turned_are_seen_through(phantom, turn):
    true = random_affine(0, degrees=10)
    true[:3, :3] = TURNED[turn] @ true[:3, :3]
    found = align(build_levels(with_header(true, phantom)), build_levels(phantom))
    assert found.turned
    assert found.convincing
    assert distance(found.matrix, true, phantom) < 0.1


def test_images_that_are_aligned_already_keep_their_places(phantom):
    grid = Grid((66, 80, 70), phantom.affine @ np.diag([1.2, 1.1, 1.2, 1.0]))
    again = Image(resample(phantom, grid)[0, 0].numpy(), grid.affine)
    found = align(build_levels(again), build_levels(phantom))
    assert found.unmoved
    assert np.array_equal(found.matrix, np.eye(4))


def test_it_begins_with_a_matrix_that_is_given(phantom):
    true = random_affine(1)
    true[:3, :3] = np.diag([1.0, -1, 1]) @ true[:3, :3]
    near = true @ make_affine((3, -3, 3), (1, 1, 1), origin=(2, -2, 1))
    found = align(build_levels(with_header(true, phantom)), build_levels(phantom), start=near)
    assert not found.turned
    assert distance(found.matrix, true, phantom) < 0.1


def test_other_pictures_do_not_convince(phantom):
    noise = np.random.default_rng(0).random(phantom.data.shape).astype(np.float32)
    assert not align(build_levels(Image(noise, phantom.affine)), build_levels(phantom)).convincing


@pytest.mark.parametrize("seed", range(2))
def test_a_known_affine_of_a_person_is_found(person, seed):
    true = random_affine(seed)
    found = align(build_levels(with_header(true, person)), build_levels(person))
    assert distance(found.matrix, true, person) < 0.2


def test_a_cut_and_coarse_scan_is_aligned_with_another_persons(shared, person):
    """As near to what thorough alignment found for both as that itself is sure."""
    folder = shared / "data"
    matrices = json.loads((folder / "affine_to_mni.json").read_text())
    to_603, to_661 = (np.array(matrices[f"ixi_{n}"]["M"]) for n in (603, 661))
    image = read_image(folder / "train_2mm" / "ixi_603_t1.nii.gz")
    start = image.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 2, 15.5], [0, 0, 0, 1.0]])
    thick = (image.data[..., 15:-1:2] + image.data[..., 16::2])[..., : image.data.shape[2] // 2] / 2
    turn = random_affine(4, degrees=20)
    moving = Image(np.ascontiguousarray(thick), turn @ start)
    found = align(build_levels(moving), build_levels(person)).matrix
    assert distance(np.linalg.inv(turn) @ found, to_603 @ np.linalg.inv(to_661), person) < 4


def test_labels_of_people_meet_as_well_as_by_thorough_alignment(shared, person):
    folder = shared / "data"
    image, *labels = (
        read_image(folder / "train_2mm" / f"ixi_{name}.nii.gz", labels="lab" in name)
        for name in ("603_t1", "603_lab", "661_lab")
    )
    matrices = json.loads((folder / "affine_to_mni.json").read_text())
    to_603, to_661 = (np.array(matrices[f"ixi_{n}"]["M"]) for n in (603, 661))

    def overlap(matrix):
        moved = Image(labels[0].data.astype(np.int64), labels[0].affine).reframe(matrix)
        return measure_overlap(
            resample(moved, labels[1].grid, "nearest")[0, 0].numpy(), labels[1].data
        )

    found = align(build_levels(image), build_levels(person)).matrix
    assert overlap(found) > overlap(to_603 @ np.linalg.inv(to_661)) > 0.4


def test_voxels_of_no_weight_are_not_visited():
    generator = torch.Generator().manual_seed(0)
    weight, ours, theirs, places = (
        torch.rand(*shape, 50, generator=generator) for shape in ((), (5,), (), (4,))
    )
    weight[10:], ours[:, 10:] = 0, torch.nan
    found = _sum_up(weight, ours, theirs, places)
    few = _sum_up(weight[:10], ours[:, :10], theirs[:10], places[:, :10])
    assert all(torch.equal(*sums) for sums in zip(found, few, strict=True))
    assert all(sums.isfinite().all() for sums in found)
