"""Points of a file, and how to write others in their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.io.files import replacing
from quicksilver.transforms.field import LPS

Writer = Callable[[Path, np.ndarray, Grid | None], None]
"""Writes points in the place of those that were read; the grid is that of the space they are in."""


@dataclass(frozen=True)
class PointSet:
    """Points, and how to write a file like the one they come from.

    Args:
        points: (N, 3), RAS millimetres.
        writer: Writes such a file.
        planar: Whether they lie in slices, at S = 0.
    """

    points: np.ndarray
    writer: Writer
    planar: bool = False

    def save(
        self, path: str | os.PathLike[str], points: np.ndarray, grid: Grid | None = None
    ) -> None:
        """Write points in the place of those that were read, complete or not at all.

        Args:
            path: The file.
            points: (N, 3), RAS millimetres.
            grid: Grid of an image in their space, which the header of a .trk file names.

        Raises:
            QuicksilverError: The file cannot be written.
        """
        with replacing(path) as temporary:
            self.writer(temporary, points, grid)

    def from_lps(self) -> PointSet:
        """Return the points of a file whose coordinates, taken for RAS so far, are LPS."""

        def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
            self.writer(path, points * LPS, grid)

        return PointSet(self.points * LPS, write, self.planar)
