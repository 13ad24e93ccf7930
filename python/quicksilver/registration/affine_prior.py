"""A prior on affine matrices: how much larger than another a brain is, and of another shape.

A Gaussian on the logarithm of the stretch U of a matrix R U, R a rotation: six numbers, three
scales and three shears. Rotations and shifts are free. Few data leave an affine where the prior has
it; a whole brain's outweigh the prior some thousand times.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SIZE = 0.05
"""Standard deviation of the logarithm of size, the mean over three scales, between two subjects."""

SHAPE = 0.04
"""Standard deviation of the rest of the logarithm of the stretch."""

STEP = 1e-6  # of differences


@dataclass(frozen=True)
class Prior:
    """A Gaussian on the logarithm of the stretch.

    Args:
        mean: (3,), the logarithm of the scales along the axes R, A and S of the target.
    """

    mean: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def residual(self, linear: np.ndarray) -> np.ndarray:
        """Return how far matrices (..., 3, 3), target to moving, are from the mean: (..., 10), in
        standard deviations.

        Example:
            >>> np.linalg.norm(Prior().residual(np.exp(0.05) * np.eye(3))).round(6)
            np.float64(1.0)
        """
        squares, axes = np.linalg.eigh(np.swapaxes(linear, -1, -2) @ linear)
        logs = 0.5 * np.log(np.maximum(squares, 1e-12))
        strain = (axes * logs[..., None, :]) @ np.swapaxes(axes, -1, -2) - np.diag(self.mean)
        size = np.trace(strain, axis1=-2, axis2=-1)[..., None] / 3
        shape = strain - size[..., None] * np.eye(3)
        rest = shape.reshape(*shape.shape[:-2], 9) / SHAPE
        return np.concatenate([size / SIZE, rest], axis=-1)

    def linearise(
        self, linear: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the residuals (K, 10) of matrices (K, 3, 3), and their derivatives (K, 10, D)
        along directions (D, 3, 3).
        """
        here = self.residual(linear)
        there = self.residual(linear[:, None] + STEP * directions)
        return here, np.swapaxes((there - here[:, None]) / STEP, 1, 2)
