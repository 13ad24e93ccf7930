"""What pictures of a registration show: everything on one fine grid, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shown:
    """What is shown, on one RAS grid: arrays (X, Y, Z); field (3, X, Y, Z) in voxels of it.

    deviation: of the samples in mm, the root of the sum of the variances; None without samples.
    """

    moving: np.ndarray
    target: np.ndarray
    warped: np.ndarray
    field: np.ndarray
    jacobian: np.ndarray
    deviation: np.ndarray | None
    spacing: float

    @property
    def largest_deviation(self) -> float:
        """The deviation in mm at the end of its scale: nearly the largest in the brain."""
        if self.deviation is None:
            return 0.0
        return max(float(np.percentile(self.deviation[self.target > 0], 99.5)), 0.01)
