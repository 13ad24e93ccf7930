"""The inverse of a map."""

from __future__ import annotations

import torch
from torch import Tensor

from .warp import compose, warp


def invert(
    displacement: Tensor, iterations: int = 10, tolerance: float = 1e-4
) -> tuple[Tensor, Tensor]:
    """Displacement w of (id + u)^-1 and the residual |w + u(x + w)|, (B, 1, *S), in voxels.

    Newton on w + u(x + w) = 0 with the derivative of the linear interpolant, from w = -u(x), at
    each voxel until its residual is below the tolerance. The gradient is the implicit function's.
    """
    u = displacement.detach()

    def equation(w: Tensor) -> Tensor:
        return compose(u, w)

    def solve(w: Tensor, right: Tensor) -> Tensor:  # (derivative of the equation at w)^-1 right
        columns = []
        for axis in range(u.shape[1]):
            direction = torch.zeros_like(w)
            direction[:, axis] = 1
            columns.append(torch.func.jvp(equation, (w,), (direction,))[1].movedim(1, -1))
        matrix = torch.stack(columns, dim=-1)
        solution: Tensor = torch.linalg.solve_ex(matrix, right.movedim(1, -1))[0]
        return solution.movedim(-1, 1).contiguous()

    w, residual = -u, equation(-u)
    for _ in range(iterations):
        w = torch.where(residual.norm(dim=1, keepdim=True) < tolerance, w, w - solve(w, residual))
        residual = equation(w)
    if displacement.requires_grad:  # a step of value zero, with the derivative of the inverse
        change = warp(displacement, w)
        w = w - solve(w, change - change.detach())
    return w, residual.norm(dim=1, keepdim=True)
