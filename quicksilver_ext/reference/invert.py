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
    each voxel until its residual is below the tolerance; a step that does not lower the residual is
    halved. The gradient is the implicit function's.
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

    w = base = -u
    least = torch.full_like(u[:, :1], torch.inf)  # the residual at base
    for _ in range(iterations + 1):  # the last one judges the step before it
        residual = equation(w)
        norm = residual.norm(dim=1, keepdim=True)
        lower, done = ~(norm >= least), norm <= tolerance
        base, least = torch.where(lower, w, base), torch.where(lower, norm, least)
        w = torch.where(lower & ~done, w - solve(w, residual), (base + w) / 2)
    if displacement.requires_grad:  # a step of value zero, with the derivative of the inverse
        change = warp(displacement, base)
        base = base - solve(base, change - change.detach())
    return base, least
