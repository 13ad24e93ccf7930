"""Means of momenta and of affines in the template's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from quicksilver.images.image import Grid
from quicksilver.io import nifti
from quicksilver.io.affines import write_affine
from quicksilver.networks.model import ModelConfig
from quicksilver.templates.mean import average_stretches, find_centre, find_move, read_momentum
from tests.quicksilver.phantoms import make_affine

CONFIG = ModelConfig(features=2, steps=4)


def turn(*degrees: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = degrees
    return matrix


def write_pair(folder: Path, to_image: np.ndarray, momentum: np.ndarray, grid: np.ndarray) -> Path:
    """Write what is read of a registration; the grid is given in the template's world."""
    folder.mkdir()
    write_affine(folder / "affine.mat", np.linalg.inv(to_image))
    nifti.save(folder / "momentum.nii.gz", momentum, to_image @ grid)
    return folder


def test_a_rotation_is_no_shape():
    stretch = np.diag([1.2, 0.9, 1.0, 1.0])
    matrices = [turn(20, 5, -40) @ stretch, turn(0, -100, 3) @ stretch]
    assert average_stretches(matrices) == pytest.approx(stretch[:3, :3])
    mirror = np.diag([-1.0, 1, 1, 1])
    assert average_stretches([mirror @ stretch]) == pytest.approx(stretch[:3, :3])


def test_sizes_have_a_geometric_mean():
    matrices = [np.diag([size, size, size, 1.0]) for size in (0.5, 1.0, 16.0)]
    assert average_stretches(matrices) == pytest.approx(2 * np.eye(3))


def test_stretches_and_their_inverses_cancel():
    shear = np.array([[1.1, 0.2, 0], [0, 1, 0.1], [0, 0, 0.8]])
    matrix = np.eye(4)
    matrix[:3, :3] = shear @ shear.T  # symmetric, as its own stretch
    assert average_stretches([matrix, np.linalg.inv(matrix)]) == pytest.approx(np.eye(3))


def test_a_momentum_is_a_covector(tmp_path):
    """The slope of one linear function, along the axes of two grids in one place."""
    slope, own = np.array([0.3, -0.2, 0.5]), make_affine((10, 20, -30), (1, 2, 1.5))
    to_image = turn(5, -8, 12) @ np.diag([1.1, 0.9, 1.0, 1.0])
    values = np.broadcast_to(own[:3, :3].T @ slope, (6, 7, 8, 3)).astype(np.float32)
    folder = write_pair(tmp_path / "pair", to_image, values, own)
    other = Grid((3, 4, 5), make_affine((0, 0, 15), (2, 2, 2)))
    affine = np.linalg.inv(to_image)
    found = read_momentum(folder / "momentum.nii.gz", affine, other)
    expected = torch.tensor(other.affine[:3, :3].T @ slope).float()
    assert found.shape == (1, 3, 3, 4, 5)
    assert torch.allclose(found, expected.view(1, 3, 1, 1, 1).expand_as(found), atol=1e-5)


def test_opposite_momenta_and_equal_sizes_leave_the_template(mean_brain, tmp_path):
    noise = np.random.default_rng(0).standard_normal((40, 44, 36, 3)).astype(np.float32)
    pairs = [
        write_pair(tmp_path / name, turn(0, 0, 10 * sign), sign * noise, mean_brain.affine)
        for name, sign in (("one", 1), ("other", -1))
    ]
    move = find_move(mean_brain, pairs, CONFIG)
    assert move.displace(mean_brain.grid).vectors.abs().max() < 1e-3


def test_the_template_grows_to_the_mean_about_its_centre(mean_brain, tmp_path):
    still = np.zeros((40, 44, 36, 3), np.float32)
    pairs = [
        write_pair(tmp_path / str(size), np.diag([size, size, size, 1.0]), still, mean_brain.affine)
        for size in (1.0, 1.21)
    ]
    move = find_move(mean_brain, pairs, CONFIG)
    assert move.stretch[:3, :3] == pytest.approx(1.1 * np.eye(3), abs=1e-4)
    centre = np.append(find_centre(mean_brain), 1)
    assert move.stretch @ centre == pytest.approx(centre)
    back, geodesic = move.trace_back()
    assert back.forward @ move.stretch == pytest.approx(np.eye(4), abs=1e-9)
    assert not geodesic.forward.vectors.any()


def test_the_template_moves_as_each_momentum_says(mean_brain, tmp_path):
    """One image alone is the mean: the way to it is the geodesic of its own momentum."""
    values = np.zeros((40, 44, 36, 3), np.float32)
    values[15:25, 15:25, 15:25, 0] = 0.0005
    pair = write_pair(tmp_path / "one", np.eye(4), values, mean_brain.affine)
    move = find_move(mean_brain, [pair], CONFIG)
    moved = move.displace(mean_brain.grid).vectors[0, :, 20, 20, 20]
    assert moved[0] > 0.05
    back = move.psi.onto(mean_brain.grid).vectors[0, :, 20, 20, 20]
    assert back[0] == pytest.approx(-moved[0].item(), rel=0.2)
