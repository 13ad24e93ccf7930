from __future__ import annotations

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.registration.affine_prior import Prior
from quicksilver.registration.descent import Linearisation, descend

GRID = Grid((20, 20, 20), np.eye(4))


def quadratic(best: np.ndarray, volume: float, curvature: float = 0.5):
    """A similarity that falls from 1 with the squared distance from the best matrix."""
    unit = np.diag([0.1, 0.1, 0.1, 1.0])
    unit[:3, 3] = -1

    def linearise(trial: np.ndarray) -> Linearisation:
        away = ((best - trial) @ np.linalg.inv(unit))[:, :3].reshape(len(trial), 12)
        ones = np.ones(len(trial))
        return Linearisation(
            1 - 0.5 * curvature * (away**2).sum(axis=1),
            np.tile(curvature * np.eye(12), (len(trial), 1, 1)),
            curvature * away,
            ones,
            volume * ones,
        )

    return linearise


def found(volume: float, prior: Prior | None) -> float:
    """The scale that is found where the data want 1.3."""
    best = np.diag([1, 1, 1.3, 1.0])
    matrices, _ = descend(np.eye(4)[None], quadratic(best, volume), GRID, GRID, prior, 20)
    return float(np.linalg.svd(matrices[0, :3, :3])[1].max())


def test_without_a_prior_the_data_decide():
    assert np.isclose(found(1e4, None), 1.3, atol=0.01)


def test_few_data_leave_the_size_where_it_is_plausible():
    scales = [found(volume, Prior()) for volume in (1e2, 1e4, 1e6, 1e9)]
    assert scales == sorted(scales)
    assert scales[0] < 1.01
    assert np.isclose(scales[-1], 1.3, atol=0.01)
