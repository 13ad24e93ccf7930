"""Transforms of any origin, and chains of them that become one map.

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
from quicksilver.transforms.field import WorldField

REFINEMENTS = 6  # of a point that is carried back


@dataclass(frozen=True)
class Transform:
    """One map and, where it is known, its inverse; each an affine (4, 4), RAS mm, or a field."""

    forward: np.ndarray | WorldField
    backward: np.ndarray | WorldField | None
    name: str

    @property
    def grid(self) -> Grid | None:
        """Where the map is given: the target's grid for a field, nowhere for an affine."""
        return self.forward.grid if isinstance(self.forward, WorldField) else None

    def inverted(self) -> Transform:
        """The transform the other way; QuicksilverError where the inverse is not known."""
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
    image is, so to speak, warped by the last one first.

    >>> shift, double = np.eye(4), np.diag([2.0, 2, 2, 1])
    >>> shift[0, 3] = 1
    >>> both = Chain([Transform(m, np.linalg.inv(m), "") for m in (double, shift)])
    >>> both.at(np.array([[10.0, 0, 0]]))
    array([[21.,  0.,  0.]])
    >>> both.preimage(np.array([[21.0, 0, 0]]))
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

    def inverted(self) -> Chain:
        """The chain the other way; QuicksilverError where one of the inverses is not known."""
        return Chain([transform.inverted() for transform in reversed(self.transforms)])

    def onto(self, grid: Grid) -> WorldField:
        """The whole chain as one displacement on a grid."""
        return self._after(WorldField.identity(grid))

    def at(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3), RAS mm, taken by the whole chain, to single precision."""
        # A list of points is a field on a made-up grid. Its indices stay small in a cube, and so
        # do the roundings of displacements that are counted from them.
        side = max(2, int(np.ceil(len(points) ** (1 / 3))))
        cube = np.zeros((side**3, 3))
        cube[: len(points)] = points
        index = np.indices((side,) * 3).reshape(3, -1).T
        vectors = torch.from_numpy((cube - index).T.reshape(1, 3, side, side, side)).float()
        moved = self._after(WorldField(vectors.contiguous(), Grid((side,) * 3, np.eye(4)))).vectors
        return (index + moved[0].double().reshape(3, -1).numpy().T)[: len(points)]

    def preimage(self, points: np.ndarray) -> np.ndarray:
        """The points (N, 3), RAS mm, that the chain takes to these: where an image's points appear.

        The inverse transforms of the chain are a start. Fields and their inverses are each
        interpolated between the voxels of a grid, so that one undoes the other only to some
        hundredths of a millimetre: what the chain makes of the start says by how much to aim off,
        and a step that leaves a point farther from where it should arrive is not taken.
        Raises QuicksilverError where an inverse is not known.
        """
        inverse = self.inverted()
        aim, found = points, inverse.at(points)
        missed = points - self.at(found)
        for _ in range(REFINEMENTS):
            nearer_aim = aim + missed
            nearer = inverse.at(nearer_aim)
            left = points - self.at(nearer)
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
