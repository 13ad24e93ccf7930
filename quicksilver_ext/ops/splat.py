"""The transpose of warp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _fixed_point, _options
from .._register import fold_into_batch, operator
from .tangent import splat_tangent
from .warp import warp_displacement_gradient


def _fake(
    values: Tensor, displacement: Tensor, shape: Sequence[int], batch: int, *_: Any
) -> Tensor:
    return values.new_empty((batch, values.shape[1], *shape))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, displacement, _, _, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(values, displacement)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    values, displacement = ctx.saved_tensors
    how = ctx.mode, ctx.padding_mode
    to_values = to_displacement = None
    if ctx.needs_input_grad[0]:
        to_values = torch.ops.quicksilver.warp(grad, displacement, *how)
        to_values = _args.to_batch(to_values, values.shape[0])
    if ctx.needs_input_grad[1]:
        everywhere = _args.to_batch(values, _args.batch_of(values, displacement))
        to_displacement = warp_displacement_gradient(grad, displacement, everywhere, *how)
        to_displacement = _args.to_batch(to_displacement, displacement.shape[0])
    return to_values, to_displacement, None, None, None, None


def _along_displacement(
    direction: Tensor,
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int],
    batch: int,
    *how: Any,
) -> Tensor:
    entries = _args.batch_of(values, displacement)
    whole = [_args.to_batch(t, entries) for t in (values, displacement, direction)]
    return _args.to_batch(splat_tangent(*whole, shape, *how), batch)


def _vmap(info: Any, in_dims: Sequence[int | None], *arguments: Any) -> tuple[Tensor, int]:
    """Map as any operator does, but keep one sum over the batch for each mapped entry."""
    _, _, shape, batch, *how = arguments

    def every_entry(values: Tensor, displacement: Tensor, *rest: Any) -> Tensor:
        count = _args.batch_of(values, displacement)
        result: Tensor = _splat(values, displacement, shape, count, *how)
        return result

    result, axis = fold_into_batch(every_entry)(info, in_dims, *arguments)
    return (result if result.shape[1] == batch else result.sum(1, keepdim=True)), axis


@operator(
    "splat(Tensor values, Tensor displacement, SymInt[] shape, SymInt batch, str mode, str "
    "padding_mode) -> Tensor",
    fake=_fake,
    setup_context=_save,
    backward=_backward,
    linear=(0,),
    along={1: _along_displacement},
    vmap=_vmap,
)
def _splat(
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int],
    batch: int,
    mode: str,
    padding_mode: str,
) -> Tensor:
    """batch: that of the arguments, or 1 for the sum over it."""
    values = values.contiguous()
    displacement = _args.pack(displacement) if values.shape[0] > 1 else displacement.contiguous()
    if _fixed_point.is_wanted(values):
        return splat_in_fixed_point(values, displacement, shape, batch, mode, padding_mode)
    out = _fake(values, displacement, shape, batch)
    result = _args.new_field(out)
    out.zero_()
    _add(values, displacement, result, 0, mode, padding_mode)
    return out


def splat_in_fixed_point(
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int],
    batch: int,
    mode: str,
    padding_mode: str,
) -> Tensor:
    """Sum in fixed point, as CUDA does under torch.use_deterministic_algorithms."""

    def add(sums: Tensor, scale: Tensor) -> None:
        _add(values, displacement, _args.field(sums), scale.data_ptr(), mode, padding_mode)

    entries = _args.batch_of(values, displacement) if batch == 1 else 1
    count = entries * math.prod(values.shape[2:])  # all of them, in one voxel of the border
    return _fixed_point.sum_terms(values, (batch, values.shape[1], *shape), count, add)


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
        _args.queue_of(values),
    )


def splat(
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """Add each value to the samples around the place it is displaced to: the transpose of `warp`.

    ``<warp(I, u), v> = <I, splat(v, u)>`` for equal `mode` and `padding_mode`, to rounding.

    Args:
        values: (B, C, *S), float32 or float64.
        displacement: (B, D, *S) in voxels of the result's grid. A batch of one is broadcast, in
            either argument.
        shape: spatial shape of the result, by default S.
        mode: "linear", "nearest" or "cubic": the weights are those `warp` gathers with.
        padding_mode: what lands outside is added to the "border" samples, with "zeros" dropped,
            with "reflect" and "wrap" added where `warp` reads it.

    Returns:
        (B, C, *shape). On the CPU the sum has the same bits for any number of threads; on CUDA from
        run to run where torch.use_deterministic_algorithms(True) asks for it (in 64-bit fixed
        point), and to rounding otherwise.

    Cost:
        12 + 8 C bytes per voxel (3-D, float32); in fixed point at most 12 C more.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> mass = qs.splat(torch.ones(1, 1, 3, 3), torch.full((1, 2, 3, 3), 0.25))
        >>> float(mass.sum())
        9.0
    """
    _options.check_choice("splat", "mode", mode, _options.MODES)
    _options.check_choice("splat", "padding_mode", padding_mode, _options.PADDINGS)
    values, displacement = _args.promote(values, displacement)
    _args.check_field("splat", "values", values)
    shape = _check("splat", values, displacement, mode, shape)
    batch = _args.batch_of(values, displacement)
    result: Tensor = _splat(values, displacement, shape, batch, mode, padding_mode)
    return result


def _check(
    op: str, values: Tensor, displacement: Tensor, mode: str, shape: Sequence[int] | None
) -> list[int]:
    """Check the arguments; return the spatial shape of the result."""
    _args.check_vectors(op, "displacement", displacement)
    _args.check_same_grid(op, "displacement", displacement, values)
    sizes = _options.check_shape(op, values.shape[2:] if shape is None else shape, values.ndim - 2)
    _args.check_batch(op, "displacement", displacement, values)
    _args.check_samples(op, "shape", sizes, mode)
    return sizes


def splat_count(
    displacement: Tensor,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """Sum of the weights that land on each sample: `splat` of ones. Divide a splat by it to get a
    mean.

    Args:
        displacement: (B, D, *S) in voxels of the result's grid, float32 or float64.
        shape, mode, padding_mode: as of `splat`.

    Returns:
        (B, 1, *shape), without unit; it sums to the number of voxels of S where nothing leaves.

    Cost:
        24 bytes per voxel (3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> u = torch.full((1, 2, 3, 3), 0.5)
        >>> qs.splat_count(u)[0, 0, 1, 1].item(), qs.splat_count(u).sum().item()
        (1.0, 9.0)
    """
    _options.check_choice("splat_count", "mode", mode, _options.MODES)
    _options.check_choice("splat_count", "padding_mode", padding_mode, _options.PADDINGS)
    (displacement,) = _args.promote(displacement)
    _args.check_vectors("splat_count", "displacement", displacement)
    ones = displacement.new_ones((1, 1, *displacement.shape[2:]))
    shape = _check("splat_count", ones, displacement, mode, shape)
    result: Tensor = _splat(ones, displacement, shape, displacement.shape[0], mode, padding_mode)
    return result
