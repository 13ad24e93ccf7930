from __future__ import annotations

import numpy as np

from quicksilver.registration.affine_prior import SIZE, Prior
from tests.quicksilver.phantoms import make_affine


def test_rotations_are_free():
    turns = np.stack(
        [make_affine((5, 40, -100), (1, 1, 1), flips)[:3, :3] for flips in ((1, 1, 1), (-1, 1, 1))]
    )
    assert np.allclose(Prior().residual(turns), 0, atol=1e-9)


def test_the_mean_is_the_most_plausible():
    mean = np.array([-0.1, 0.05, -0.2])
    turn = make_affine((10, -20, 30), (1, 1, 1))[:3, :3]
    assert np.allclose(Prior(mean).residual(turn @ np.diag(np.exp(mean))), 0, atol=1e-9)


def test_a_standard_deviation_of_size_counts_one_in_both_directions():
    for sign in (-1, 1):
        away = Prior().residual(np.exp(sign * SIZE) * np.eye(3))
        assert np.isclose(np.linalg.norm(away), 1)


def test_shears_and_single_scales_are_less_plausible_than_size():
    shear = np.eye(3)
    shear[0, 1] = 0.1
    for matrix in (shear, np.diag([1.1, 1, 1])):
        assert np.linalg.norm(Prior().residual(matrix)) > 1


def test_derivatives_are_those_of_the_residual():
    rng = np.random.default_rng(0)
    linear = np.eye(3) + 0.1 * rng.standard_normal((2, 3, 3))
    directions = rng.standard_normal((4, 3, 3))
    residual, derivative = Prior().linearise(linear, directions)
    step = 1e-4
    for k, direction in enumerate(directions):
        ahead, behind = (Prior().residual(linear + sign * step * direction) for sign in (1, -1))
        assert np.allclose(derivative[..., k], (ahead - behind) / (2 * step), atol=1e-3)
    assert np.allclose(residual, Prior().residual(linear))
