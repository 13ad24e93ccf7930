"""The transpose of warp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _fixed_point, _options
from .._register import operator
from .warp import warp_displacement_gradient


def _fake(values: Tensor, displacement: Tensor, shape: Sequence[int], *_: Any) -> Tensor:
    return values.new_empty((values.shape[0], values.shape[1], *shape))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, displacement, _, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(values, displacement)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    values, displacement = ctx.saved_tensors
    how = ctx.mode, ctx.padding_mode
    to_values = to_displacement = None
    if ctx.needs_input_grad[0]:
        to_values = torch.ops.quicksilver.warp(grad, displacement, *how)
    if ctx.needs_input_grad[1]:
        to_displacement = warp_displacement_gradient(grad, displacement, values, *how)
    return to_values, to_displacement, None, None, None


@operator(
    "splat(Tensor values, Tensor displacement, SymInt[] shape, str mode, str padding_mode) -> Tensor",
    fake=_fake,
    setup_context=_save,
    backward=_backward,
)
def _splat(
    values: Tensor, displacement: Tensor, shape: Sequence[int], mode: str, padding_mode: str
) -> Tensor:
    values, displacement = values.contiguous(), displacement.contiguous()
    if _fixed_point.wanted(values):
        return splat_in_fixed_point(values, displacement, shape, mode, padding_mode)
    out = _fake(values, displacement, shape)
    result = _args.result(out)
    out.zero_()
    _add(values, displacement, result, 0, mode, padding_mode)
    return out


def splat_in_fixed_point(
    values: Tensor, displacement: Tensor, shape: Sequence[int], mode: str, padding_mode: str
) -> Tensor:
    """What CUDA does under torch.use_deterministic_algorithms."""

    def add(sums: Tensor, scale: Tensor) -> None:
        _add(values, displacement, _args.field(sums), scale.data_ptr(), mode, padding_mode)

    count = values[0, 0].numel()  # all of them, in one voxel of the border
    return _fixed_point.summed(values, (*values.shape[:2], *shape), count, add)


def _add(
    values: Tensor,
    displacement: Tensor,
    result: _core.Field,
    scale: int,
    mode: str,
    padding_mode: str,
) -> None:
    _core.splat(
        _args.field(values),
        _args.field(displacement),
        result,
        scale,
        _options.sampling(mode, padding_mode),
        _args.queue(values),
    )


def splat(
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """Adds each value to the samples around the place it is displaced to: the transpose of `warp`.

    ``<warp(I, u), v> = <I, splat(v, u)>`` for equal `mode` and `padding_mode`, to rounding.

    Args:
        values: (B, C, *S), float32 or float64.
        displacement: (B, D, *S) in voxels of the result's grid.
        shape: spatial shape of the result, by default S.
        mode: "linear", "nearest" or "cubic": the weights are those `warp` gathers with.
        padding_mode: what lands outside is added to the "border" samples, or with "zeros" dropped.

    Returns:
        (B, C, *shape). On the CPU the sum has the same bits for any number of threads; on CUDA from run to run where
        torch.use_deterministic_algorithms(True) asks for it (in 64-bit fixed point), and to rounding otherwise.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> mass = qs.splat(torch.ones(1, 1, 3, 3), torch.full((1, 2, 3, 3), 0.25))
        >>> float(mass.sum())
        9.0
    """
    _options.choice("splat", "mode", mode, _options.MODES)
    _options.choice("splat", "padding_mode", padding_mode, _options.PADDINGS)
    _args.check_field("splat", "values", values)
    _args.check_vectors("splat", "displacement", displacement)
    _args.check_same_grid("splat", "displacement", displacement, values)
    shape = values.shape[2:] if shape is None else tuple(shape)
    if len(shape) != values.ndim - 2 or min(shape) < 1:
        raise ValueError(
            f"splat: shape: expected {values.ndim - 2} sizes >= 1, found {tuple(shape)}; give one per axis"
        )
    values, displacement = _args.same_batch("splat", "displacement", values, displacement)
    _args.check_samples("splat", "shape", values.new_empty((1, 1, *shape), device="meta"), mode)
    result: Tensor = _splat(values, displacement, list(shape), mode, padding_mode)
    return result
