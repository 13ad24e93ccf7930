"""Find and penalise folds by the ten finite-difference Jacobians of digital diffeomorphisms.

Central differences skip the voxel itself and miss folds. Liu, Chen, Wei, Carass and Prince ("On
finite difference Jacobian computation in deformable image registration", IJCV 2024) show that a map
of the voxel grid is free of folds when ten determinants are positive: those of the eight ways to
take one-sided differences, and two more, J1* and J2*. Geometrically, every cube of eight voxels is
cut into five tetrahedra in two ways: the eight are its corners, J1* and J2* what is left in the
middle, and a determinant is six times the signed volume to which the map takes a tetrahedron.

In two dimensions a square is cut into two triangles in two ways: four determinants, those of the
one-sided differences, each twice a triangle's signed area.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs

Corner = tuple[int, ...]

LEAST = 0.3
"""Determinant below which a cube of voxels is penalised."""

# Edges (from, to) of the two middle tetrahedra, between corners of the cube; in this order each has
# the determinant 2 under the identity.
MIDDLES: tuple[tuple[tuple[Corner, Corner], ...], ...] = (
    (((0, 0, 0), (1, 1, 0)), ((0, 0, 0), (0, 1, 1)), ((0, 0, 0), (1, 0, 1))),
    (((0, 0, 1), (1, 1, 1)), ((1, 0, 0), (1, 1, 1)), ((0, 1, 0), (1, 1, 1))),
)

COUNTS = {2: 4, 3: 10}
"""Determinants of a square, and of a cube."""


@dataclass(frozen=True)
class Folds:
    """Folds of a map.

    Args:
        voxels: Number of voxels of which one of the ten determinants is 0 or negative.
        volume: Non-diffeomorphic volume in voxels: half the folded part of both cuts' tetrahedra.
    """

    voxels: int
    volume: float


def count_folds(displacement: Tensor) -> Folds:
    """Count the folds of id + u for displacements (B, 3, X, Y, Z) or (B, 2, X, Y) in voxels, all B
    together.

    Example:
        >>> count_folds(torch.zeros(1, 3, 4, 5, 6))
        Folds(voxels=0, volume=0.0)
    """
    where, volume = find_folds(displacement)
    return Folds(int(where.sum()), volume)


def find_folds(displacement: Tensor) -> tuple[Tensor, float]:
    """Find the voxels that fold, (B, 1, X, Y, Z), and their volume as `Folds` has it."""
    where = qs.smallest_determinant(displacement) <= 0
    _, cubes = _gather_cubes(displacement, where)
    parts = 2 * math.factorial(displacement.shape[1])
    folded = ((-value).clamp(min=0).double().sum().item() for _, value in _determinants(cubes))
    return where, sum(folded) / parts


def penalise_folds(displacement: Tensor, least: float = LEAST, most: float = math.inf) -> Tensor:
    """Sum (least - J)^2 over the determinants J below `least`, a tenth of each cube's ten, a
    quarter of a square's four.

    The penalty is zero, and so is its gradient, where no determinant is below `least`.

    Args:
        displacement: (B, 3, X, Y, Z) or (B, 2, X, Y), in voxels.
        least: Determinant below which a cube counts.
        most: A shortfall above this counts as this much, and has no gradient.

    Returns:
        (B,), differentiable.

    Example:
        >>> penalise_folds(torch.zeros(2, 3, 4, 5, 6), 0.5)
        tensor([0., 0.])
    """
    with torch.no_grad():
        crowded = qs.smallest_determinant(displacement) < least
    rows, cubes = _gather_cubes(displacement, crowded)  # few count: only they need gradients
    terms = ((least - value).clamp(0, most).square() for _, value in _determinants(cubes))
    of_cubes = reduce(torch.add, terms).flatten() / COUNTS[displacement.shape[1]]
    return displacement.new_zeros(len(displacement)).index_add(0, rows, of_cubes)


def _gather_cubes(displacement: Tensor, voxels: Tensor) -> tuple[Tensor, Tensor]:
    """Gather the cubes that have any of the voxels (B, 1, X, Y, Z) as a corner.

    Returns:
        The member of the batch of each, (N,), and its corners' displacements, (N, 3, 2, 2, 2).
    """
    dims = displacement.shape[1]
    corners = itertools.product((0, 1), repeat=dims)
    touched = reduce(torch.logical_or, (_at(voxels[:, 0], corner) for corner in corners))
    rows, *lowest = touched.nonzero().unbind(1)
    offsets = torch.meshgrid([torch.arange(2, device=displacement.device)] * dims, indexing="ij")
    each = (slice(None), *[None] * dims)
    places = (n[each] + o for n, o in zip(lowest, offsets, strict=True))
    chosen: tuple[Any, ...] = (rows[each], slice(None), *places)
    return rows, displacement[chosen].movedim(-1, 1)


def _determinants(displacement: Tensor) -> Iterator[tuple[Corner, Tensor]]:
    """Yield the corner of each cube to which a determinant belongs, and its value in every cube."""
    field = displacement.transpose(0, 1)
    dims = len(field)
    steps = [field.diff(dim=2 + axis) for axis in range(dims)]
    for axis, step in enumerate(steps):
        step[axis] += 1
    for corner in itertools.product((0, 1), repeat=dims):
        # A step along an axis lies between both sides, so that axis has no side.
        sides = [(*corner[:axis], None, *corner[axis + 1 :]) for axis in range(dims)]
        yield corner, _determinant(*map(_at, steps, sides))
    for middle in MIDDLES if dims == 3 else ():
        yield (0, 0, 0), _determinant(*(_edge(field, start, end) for start, end in middle))


def _edge(field: Tensor, start: Corner, end: Corner) -> Tensor:
    """Return where id + u takes the edge between two corners of every cube, (3, B, X - 1, Y - 1, Z
    - 1).
    """
    edge = _at(field, end) - _at(field, start)
    for axis in range(3):
        edge[axis] += end[axis] - start[axis]
    return edge


def _at(values: Tensor, sides: Sequence[int | None]) -> Tensor:
    """Take the part of (..., X, Y, Z) on one side of every cube along each axis; all where None."""
    sizes = values.shape[-len(sides) :]
    parts = (
        slice(None) if side is None else slice(side, size - 1 + side)
        for side, size in zip(sides, sizes, strict=True)
    )
    return values[(..., *parts)]


def _determinant(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    if c is None:
        return a[0] * b[1] - a[1] * b[0]
    # Spelled out: torch.linalg.cross along the slow axis is slower.
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        + a[1] * (b[2] * c[0] - b[0] * c[2])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
