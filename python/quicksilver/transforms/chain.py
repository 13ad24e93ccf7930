"""Transforms, and chains of them that become one map.

A transform takes points of the target to the matching points of the moving image, RAS millimetres:
the direction in which images are resampled. Points themselves move the other way, by its inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.images.plane import is_flat
from quicksilver.transforms.field import WorldField

REFINEMENTS = 6  # of a point that is mapped back


@dataclass(frozen=True)
class Transform:
    """A map and, where it is known, its inverse.

    Args:
        forward: An affine (4, 4) in RAS millimetres, or a field.
        backward: The inverse; None: not known.
        name: What errors call it.
        sampled: Whether the field was sampled from something without a grid, as a spline is.
    """

    forward: np.ndarray | WorldField
    backward: np.ndarray | WorldField | None
    name: str
    sampled: bool = False

    @property
    def grid(self) -> Grid | None:
        """The grid on which the map is given: the target's for a field, None for others."""
        if self.sampled or not isinstance(self.forward, WorldField):
            return None
        return self.forward.grid

    def fits(self, planar: bool) -> bool:
        """Tell whether it maps slices, or else volumes."""
        if isinstance(self.forward, WorldField):
            return self.forward.grid.planar == planar
        return not planar or is_flat(self.forward)

    def invert(self) -> Transform:
        """Return the transform the other way.

        Raises:
            QuicksilverError: The inverse is not known.
        """
        if self.backward is None:
            raise QuicksilverError(
                f"expected a transform with an inverse, found the displacement field {self.name} "
                "alone; give the folder that `quicksilver register` wrote, or the field of the "
                "inverse in a list that you invert yourself"
            )
        return Transform(self.backward, self.forward, self.name)


@dataclass(frozen=True)
class Chain:
    """Transforms one after the other, in the order of antsApplyTransforms.

    The first one takes the points of the output grid, the last one arrives in the moving image: an
    image is warped by the last one first.

    Example:
        >>> shift, double = np.eye(4), np.diag([2.0, 2, 2, 1])
        >>> shift[0, 3] = 1
        >>> both = Chain([Transform(m, np.linalg.inv(m), "") for m in (double, shift)])
        >>> both.map_points(np.array([[10.0, 0, 0]]))
        array([[21.,  0.,  0.]])
        >>> both.map_points_back(np.array([[21.0, 0, 0]]))
        array([[10.,  0.,  0.]])
    """

    transforms: Sequence[Transform]

    @property
    def grid(self) -> Grid | None:
        """The grid of the first transform, where it has one: the one to warp images onto."""
        return self.transforms[0].grid

    @property
    def moving_grid(self) -> Grid | None:
        """The grid of the inverse of the last transform, where it has one: of the moving image."""
        last = self.transforms[-1].backward
        return last.grid if isinstance(last, WorldField) else None

    def invert(self) -> Chain:
        """Return the chain the other way.

        Raises:
            QuicksilverError: An inverse is not known.
        """
        return Chain([transform.invert() for transform in reversed(self.transforms)])

    def onto(self, grid: Grid) -> WorldField:
        """Compose the chain into one displacement field on a grid.

        A first field that lies on that grid is taken as it is, not interpolated.
        """
        first = self.transforms[0].forward
        if isinstance(first, WorldField) and first.grid.matches(grid):
            return Chain(self.transforms[1:])._after(WorldField(first.vectors, grid))
        return self._after(WorldField.identity(grid))

    def map_points(self, points: np.ndarray) -> np.ndarray:
        """Map points (N, 3), RAS millimetres, through the chain, in single precision."""
        # Treat the points as a field on an artificial grid. In a cube indices stay small, and so
        # does the rounding of displacements from them.
        side = max(2, int(np.ceil(len(points) ** (1 / 3))))
        cube = np.zeros((side**3, 3))
        cube[: len(points)] = points
        index = np.indices((side,) * 3).reshape(3, -1).T
        vectors = torch.from_numpy((cube - index).T.reshape(1, 3, side, side, side)).float()
        moved = self._after(WorldField(vectors.contiguous(), Grid((side,) * 3, np.eye(4)))).vectors
        return (index + moved[0].double().reshape(3, -1).numpy().T)[: len(points)]

    def map_points_back(self, points: np.ndarray) -> np.ndarray:
        """Find the points (N, 3), RAS millimetres, that the chain maps to these.

        The inverse transforms of the chain are a start. Fields and their inverses are each
        interpolated between the voxels of a grid, so that one undoes the other only to some
        hundredths of a millimetre: what the chain makes of the start says by how much to aim off,
        and a step that leaves a point farther from where it should arrive is not taken.

        Raises:
            QuicksilverError: An inverse is not known.
        """
        inverse = self.invert()
        aim, found = points, inverse.map_points(points)
        missed = points - self.map_points(found)
        for _ in range(REFINEMENTS):
            nearer_aim = aim + missed
            nearer = inverse.map_points(nearer_aim)
            left = points - self.map_points(nearer)
            better = np.linalg.norm(left, axis=1) < np.linalg.norm(missed, axis=1)
            aim, found, missed = (
                np.where(better[:, None], new, old)
                for new, old in ((nearer_aim, aim), (nearer, found), (left, missed))
            )
        return found

    def _after(self, field: WorldField) -> WorldField:
        for transform in self.transforms:
            if isinstance(transform.forward, WorldField):
                field = field.then(transform.forward)
            else:
                field = field.then_affine(transform.forward)
        return field
