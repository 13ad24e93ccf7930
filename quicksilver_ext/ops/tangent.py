"""Derivatives of warp and splat along a direction of the displacement: the second order of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator


def _fake_warp_tangent(image: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    return image.new_empty((*image.shape[:2], *displacement.shape[2:]))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(*tensors)


def _warp_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, displacement, direction = ctx.saved_tensors
    how = ctx.mode, ctx.padding_mode
    to_image = to_displacement = to_direction = None
    if ctx.needs_input_grad[0]:
        to_image = splat_tangent(grad, displacement, direction, image.shape[2:], *how)
    if ctx.needs_input_grad[1]:
        to_displacement = warp_hessian(image, displacement, grad, direction, *how)
    if ctx.needs_input_grad[2]:
        gradient = torch.ops.quicksilver.warp_displacement_gradient
        to_direction = gradient(image, displacement, grad, *how)
    return to_image, to_displacement, to_direction, None, None


@operator(
    "warp_tangent(Tensor image, Tensor displacement, Tensor direction, str mode, str "
    "padding_mode) -> Tensor",
    fake=_fake_warp_tangent,
    setup_context=_save,
    backward=_warp_backward,
    linear=(0, 2),
)
def warp_tangent(
    image: Tensor, displacement: Tensor, direction: Tensor, mode: str, padding_mode: str
) -> Tensor:
    """sum_a h_a (d I / d position_a)(x + u(x)), all of one batch size: (B, C, *S)."""
    inputs = [t.contiguous() for t in (image, displacement, direction)]
    out = _fake_warp_tangent(image, displacement)
    run_derivative(_core.warp_tangent, inputs, out, mode, padding_mode)
    return out


def _fake_splat_tangent(
    values: Tensor, displacement: Tensor, direction: Tensor, shape: Sequence[int], *_: Any
) -> Tensor:
    return values.new_empty((*values.shape[:2], *shape))


def _save_splat(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, _, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(*tensors)


def _splat_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    values, displacement, direction = ctx.saved_tensors
    how = ctx.mode, ctx.padding_mode
    to_values = to_displacement = to_direction = None
    if ctx.needs_input_grad[0]:
        to_values = warp_tangent(grad, displacement, direction, *how)
    if ctx.needs_input_grad[1]:
        to_displacement = warp_hessian(grad, displacement, values, direction, *how)
    if ctx.needs_input_grad[2]:
        gradient = torch.ops.quicksilver.warp_displacement_gradient
        to_direction = gradient(grad, displacement, values, *how)
    return to_values, to_displacement, to_direction, None, None, None


@operator(
    "splat_tangent(Tensor values, Tensor displacement, Tensor direction, SymInt[] shape, str "
    "mode, str padding_mode) -> Tensor",
    fake=_fake_splat_tangent,
    setup_context=_save_splat,
    backward=_splat_backward,
    linear=(0, 2),
)
def splat_tangent(
    values: Tensor,
    displacement: Tensor,
    direction: Tensor,
    shape: Sequence[int],
    mode: str,
    padding_mode: str,
) -> Tensor:
    """The transpose of `warp_tangent` in its image: (B, C, *shape)."""
    inputs = [t.contiguous() for t in (values, displacement, direction)]
    out = _fake_splat_tangent(values, displacement, direction, shape).zero_()
    run_derivative(_core.splat_tangent, inputs, out, mode, padding_mode)
    return out


def _fake_hessian(image: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(displacement, memory_format=torch.contiguous_format)


@operator(
    "warp_hessian(Tensor image, Tensor displacement, Tensor values, Tensor direction, str mode, "
    "str padding_mode) -> Tensor",
    fake=_fake_hessian,
    linear=(0, 2, 3),
)
def warp_hessian(
    image: Tensor,
    displacement: Tensor,
    values: Tensor,
    direction: Tensor,
    mode: str,
    padding_mode: str,
) -> Tensor:
    """The gradient of <values, warp_tangent> by the displacement: (B, D, *S)."""
    inputs = [t.contiguous() for t in (image, displacement, values, direction)]
    out = _fake_hessian(image, displacement)
    run_derivative(_core.warp_hessian, inputs, out, mode, padding_mode)
    return out


def run_derivative(
    call: Any, inputs: Sequence[Tensor], out: Tensor, mode: str, padding_mode: str
) -> None:
    """Fill `out` by a function of the core that differentiates the interpolant: zero where that is
    constant between the samples.
    """
    if mode == "nearest":
        out.zero_()
        return
    fields = [*map(_args.field, inputs), _args.field(out)]
    call(*fields, _options.sampling(mode, padding_mode), _args.queue_of(out))
