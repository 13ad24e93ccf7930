"""Levenberg-Marquardt steps of affine matrices, many at once, under a prior where data are few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.registration.affine_prior import Prior

GAIN = 1e-4  # a descent ends when an iteration improves the similarity by less
DOUBT = 3000.0
"""Cubic millimetres of a brain that weigh as much as the prior (docs/constants.md)."""


@dataclass(frozen=True)
class Linearisation:
    """Similarities of K matrices, and the normal equations of steps from there.

    Args:
        score: (K,), the similarities.
        hessian: (K, 12, 12), of half the squared difference of local contrast.
        slope: (K, 12), likewise.
        energy: (K,), the squared contrast that the difference is measured by.
        volume: (K,), mm3 that were compared.
    """

    score: np.ndarray
    hessian: np.ndarray
    slope: np.ndarray
    energy: np.ndarray
    volume: np.ndarray

    def hold(self, residual: np.ndarray, derivative: np.ndarray) -> Linearisation:
        """Add a prior, given by its residuals (K, R) and their derivatives (K, R, 12)."""
        weight = DOUBT / self.volume
        pull, transposed = (weight * self.energy)[:, None], np.swapaxes(derivative, 1, 2)
        return replace(
            self,
            score=self.score - 0.5 * weight * (residual**2).sum(axis=1),
            hessian=self.hessian + pull[:, :, None] * (transposed @ derivative),
            slope=self.slope - pull * (transposed @ residual[:, :, None])[..., 0],
        )


def descend(
    matrices: np.ndarray,
    linearise: Callable[[np.ndarray], Linearisation],
    moving: Grid,
    target: Grid,
    prior: Prior | None,
    iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Improve matrices (K, 4, 4) in the world; return them and their scores (K,).

    Every matrix is improved on its own, all in one batch.

    Args:
        matrices: Starts, from the target's points to the moving image's.
        linearise: Takes matrices from the target grid's voxels to the moving one's.
        moving: Grid of the moving image.
        target: Grid of the target.
        prior: Holds scales and shears; None: nothing does.
        iterations: Number of steps.
    """
    into, out = np.linalg.inv(moving.affine), target.affine
    back, forth = moving.affine, np.linalg.inv(out)
    unit = np.diag([*(2 / np.array(target.shape)), 1.0])
    # A voxel of the target in a cube from -1 to 1, where steps are well scaled; a slice is at 0.
    unit[:3, 3] = np.where(np.array(target.shape) > 1, -1, 0)
    entries = _make_matrices(np.eye(12))
    if target.planar:  # what leads across the plane stays as it is
        entries[:, 2], entries[:, :, 2] = 0, 0
    directions = (back @ entries @ unit @ forth)[:, :3, :3]
    best = trial = into @ matrices @ out
    scores, damping = np.full(len(best), -np.inf), np.full(len(best), 0.01)
    hessian, slope = np.zeros((len(best), 12, 12)), np.zeros((len(best), 12))
    for _ in range(iterations + 1):
        here = linearise(trial)
        if prior is not None:
            linear = (back @ trial @ forth)[:, :3, :3]
            here = here.hold(*prior.linearise(linear, directions))
        gain, better = here.score - scores, here.score > scores
        for kept, new in (
            (best, trial),
            (scores, here.score),
            (hessian, here.hessian),
            (slope, here.slope),
        ):
            kept[better] = new[better]
        if (better & (gain < GAIN)).all():
            break
        damping = np.where(better, damping / 4, damping * 6)
        trial = best + _solve_steps(hessian, slope, damping) @ unit
    return back @ best @ forth, scores


def _solve_steps(hessian: np.ndarray, slope: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Solve for damped steps (K, 4, 4)."""
    diagonal = np.einsum("kii->ki", hessian)
    damped = damping[:, None] * diagonal + 1e-6 * diagonal.max(axis=1, keepdims=True) + 1e-9
    steps = np.linalg.solve(hessian + damped[:, :, None] * np.eye(12), slope[:, :, None])
    return _make_matrices(steps[..., 0])


def _make_matrices(entries: np.ndarray) -> np.ndarray:
    """Make matrices (K, 4, 4), whose last row is zero, of twelve entries each."""
    return np.concatenate([entries.reshape(-1, 3, 4), np.zeros((len(entries), 1, 4))], axis=1)
