"""Finite differences: the Jacobian of a map and its determinant."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from .warp import coordinate

Corner = tuple[int, ...]


def _difference(field: Tensor, axis: int, faces: str) -> Tensor:
    """Central difference along an array axis; on its faces one-sided, or half of that."""
    n = field.shape[axis]
    index = coordinate((n,), 0, torch.empty(0, dtype=torch.int64, device=field.device))
    ahead, behind = (index + 1).clamp(max=n - 1), (index - 1).clamp(min=0)
    change = field.index_select(axis, ahead) - field.index_select(axis, behind)
    step = 2 + 0 * index if faces == "half" else (ahead - behind).clamp(min=1)
    return change / step.reshape([-1 if other == axis else 1 for other in range(field.ndim)])


def gradient(field: Tensor, faces: str = "one_sided") -> Tensor:
    """D_a f_c, (B, C, D, *S): 0 along an axis of one sample."""
    return torch.stack([_difference(field, 2 + a, faces) for a in range(field.ndim - 2)], dim=2)


def divergence(field: Tensor, faces: str = "one_sided") -> Tensor:
    """sum_a D_a v_a, (B, 1, *S)."""
    return gradient(field, faces).diagonal(dim1=1, dim2=2).sum(-1)[:, None].contiguous()


def jacobian(displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """D(id + u), (B, D, D, *S)."""
    return matrices(displacement, faces).movedim((-2, -1), (1, 2)).contiguous()


def matrices(displacement: Tensor, faces: str) -> Tensor:
    """(B, *S, D, D) with entry (c, a) the derivative of component c of id + u along axis a."""
    columns = []
    for axis, n in enumerate(displacement.shape[2:]):
        x = coordinate(displacement.shape[2:], axis, displacement)
        slope = torch.ones_like(x) if n == 1 else _difference(x, axis, faces)
        unit = (torch.arange(displacement.shape[1], device=x.device) == axis).to(x.dtype)
        unit = unit.reshape(-1, *[1] * x.ndim)
        columns.append(_difference(displacement, 2 + axis, faces) + slope * unit)
    return torch.stack(columns, dim=-1).movedim(1, -2)


def jacobian_determinant(displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """det D(id + u), (B, 1, *S), by central differences; faces one_sided or half (PyCA's)."""
    determinant: Tensor = torch.linalg.det(matrices(displacement, faces))
    return determinant[:, None]


def smallest_determinant(displacement: Tensor) -> Tensor:
    """The smallest of the determinants that belong to a voxel, (B, 1, *S): cube by cube, those of
    the simplices at its corners and, in 3-D, of the two in its middle.
    """
    shape, dims = displacement.shape[2:], displacement.ndim - 2
    points = displacement + torch.stack(
        [coordinate(shape, axis, displacement).expand(shape) for axis in range(dims)]
    )
    for axis in range(dims):
        if shape[axis] == 1:  # goes on as it is
            step = torch.eye(dims, dtype=points.dtype, device=points.device)[axis]
            points = torch.cat([points, points + step.view(-1, *[1] * dims)], 2 + axis)
    smallest = torch.full_like(points[:, :1], torch.inf)
    corners = list(itertools.product((0, 1), repeat=dims))
    for corner in corners:
        near = [tuple(n ^ (a == axis) for a, n in enumerate(corner)) for axis in range(dims)]
        _keep_least(smallest, corner, _simplex(points, corner, near))
    for parity in (0, 1) if dims == 3 and min(shape) > 1 else ():
        first, *others = (c for c in corners if sum(c) % 2 == parity)
        _keep_least(smallest, corners[0], _simplex(points, first, others))
    inside: tuple[Any, ...] = (..., *map(slice, shape))
    return smallest[inside]


def _simplex(points: Tensor, first: Corner, others: list[Corner]) -> Tensor:
    """The determinants of a simplex's edges in every cube, positive under the identity."""
    edges = [_corner(points, other) - _corner(points, first) for other in others]
    still = torch.tensor(others) - torch.tensor(first)
    found: Tensor = torch.linalg.det(torch.stack(edges, -1).movedim(1, -1))
    return found[:, None] * torch.linalg.det(still.double()).sign().item()


def _corner(values: Tensor, corner: Corner) -> Tensor:
    """(B, C, *S) at one corner of every cube: (B, C, X - 1, ...)."""
    sides = zip(corner, values.shape[2:], strict=True)
    places: tuple[Any, ...] = (..., *(slice(n, n + size - 1) for n, size in sides))
    return values[places]


def _keep_least(smallest: Tensor, corner: Corner, found: Tensor) -> None:
    there = _corner(smallest, corner)
    there.copy_(torch.minimum(there, found))
