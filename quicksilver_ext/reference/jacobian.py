"""Finite differences: the Jacobian of a map and its determinant."""

from __future__ import annotations

import torch
from torch import Tensor

from .warp import coordinate


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
