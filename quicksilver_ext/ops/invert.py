"""The inverse of a map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator
from .tangent import warp_tangent


def _fake_solve(displacement: Tensor, inverse: Tensor, grad: Tensor) -> Tensor:
    return torch.empty_like(displacement, memory_format=torch.contiguous_format)


@operator(
    "invert_gradient(Tensor displacement, Tensor inverse, Tensor grad) -> Tensor",
    fake=_fake_solve,
    linear=(2,),
)
def _solve_transposed(displacement: Tensor, inverse: Tensor, grad: Tensor) -> Tensor:
    displacement, inverse, grad = (
        displacement.contiguous(),
        inverse.contiguous(),
        grad.contiguous(),
    )
    out = _fake_solve(displacement, inverse, grad)
    _core.invert_gradient(
        _args.field(displacement),
        _args.field(inverse),
        _args.field(grad),
        _args.new_field(out),
        _args.queue_of(displacement),
    )
    return out


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(inputs[0], output[0])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
    # w + u(x + w) = 0, so dw = -(I + D u)^-1 du(x + w): solve with the transpose, then splat by w.
    displacement, inverse = ctx.saved_tensors
    solved = _solve_transposed(displacement, inverse, grad)
    to_displacement = -torch.ops.quicksilver.splat(
        solved, inverse, displacement.shape[2:], solved.shape[0], "linear", "border"
    )
    return to_displacement, None, None


def _along_displacement(direction: Tensor, displacement: Tensor, *how: Any) -> Tensor:
    inverse, _ = _invert(displacement, *how)
    dims = displacement.shape[1]
    units = torch.eye(dims, dtype=inverse.dtype, device=inverse.device)
    columns = [
        warp_tangent(displacement, inverse, _spread(unit, inverse), "linear", "border")
        for unit in units
    ]
    derivative = torch.stack(columns, -1).movedim(1, -2) + units  # (B, *S, D, D), I + D u
    moved: Tensor = torch.ops.quicksilver.warp(direction, inverse, "linear", "border")
    return -torch.linalg.solve(derivative, moved.movedim(1, -1)).movedim(-1, 1)


def _spread(vector: Tensor, like: Tensor) -> Tensor:
    return vector.reshape(1, -1, *[1] * (like.ndim - 2)).expand_as(like)


def _fake_invert(displacement: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, Tensor]:
    residual = displacement.new_empty((displacement.shape[0], 1, *displacement.shape[2:]))
    return torch.empty_like(displacement, memory_format=torch.contiguous_format), residual


@operator(
    "invert(Tensor displacement, int iterations, float tolerance) -> (Tensor, Tensor)",
    fake=_fake_invert,
    setup_context=_save,
    backward=_backward,
    along={0: _along_displacement},
)
def _invert(displacement: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, Tensor]:
    displacement = displacement.contiguous()
    inverse, residual = _fake_invert(displacement, iterations, tolerance)
    _core.invert(
        _args.field(displacement),
        _args.new_field(inverse),
        _args.new_field(residual),
        iterations,
        tolerance,
        _args.queue_of(displacement),
    )
    return inverse, residual


def invert(
    displacement: Tensor, iterations: int = 10, tolerance: float = 1e-4
) -> tuple[Tensor, Tensor]:
    """The displacement w of ``(id + u)^-1`` by Newton's method on ``w + u(x + w) = 0``, and its
    residual.

    u is interpolated linearly and continued outside by its border value. A step that does not lower
    a voxel's residual is halved, and counts as one. The gradient is that of the implicit function
    theorem, exact where the iteration has converged.

    Args:
        displacement: (B, D, *S), u in voxels; id + u should not fold (a folded place keeps a large
            residual).
        iterations: at most this many Newton steps, halved ones included.
        tolerance: a voxel stops when its residual is below this many voxels.

    Returns:
        inverse (B, D, *S) in voxels, and residual (B, 1, *S): ``|w + u(x + w)|`` in voxels, not
        differentiable.

    Cost:
        28 bytes per voxel (3-D, float32), whatever the number of iterations; bound by their
        gathers.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> u = torch.full((1, 2, 8, 8), 0.5)
        >>> inverse, residual = qs.invert(u)
        >>> float(inverse[0, 0, 4, 4]), float(residual.max())
        (-0.5, 0.0)
    """
    (displacement,) = _args.promote(displacement)
    _args.check_vectors("invert", "displacement", displacement)
    _args.check_samples("invert", "displacement", displacement.shape[2:], "linear", single=True)
    _options.check_integer("invert", "iterations", iterations)
    what = "a finite number of voxels"
    _options.check_number("invert", "tolerance", tolerance, what, "1e-4")
    wide = _args.widen_single_axes(displacement, "linear", "border")
    inverse, residual = _invert(wide, iterations, tolerance)
    if wide is not displacement:
        grid = (..., *(slice(n) for n in displacement.shape[2:]))
        inverse, residual = inverse[grid].contiguous(), residual[grid].contiguous()
    return inverse, residual
