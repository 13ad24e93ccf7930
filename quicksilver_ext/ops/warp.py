"""Interpolation at displaced voxels: warp and compose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator
from .tangent import run_derivative, splat_tangent, warp_hessian, warp_tangent


def _fake_warp(image: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    batch = _args.batch_of(image, displacement)
    return image.new_empty((batch, image.shape[1], *displacement.shape[2:]))


@operator(
    "warp_bits(Tensor image, Tensor displacement, str padding_mode) -> Tensor",
    fake=_fake_warp,
    along={1: lambda *_: None},
)
def _warp_bits(image: Tensor, displacement: Tensor, padding_mode: str) -> Tensor:
    out = _fake_warp(image, displacement)
    image, displacement = _args.pack(image), _args.pack(displacement)
    _core.warp_bits(
        _args.field(image),
        _args.field(displacement),
        _args.new_field(out),
        _options.PADDINGS[padding_mode],
        _args.queue_of(image),
    )
    return out


def _fake_gradient(image: Tensor, displacement: Tensor, grad: Tensor, *_: Any) -> Tensor:
    return displacement.new_empty((grad.shape[0], *displacement.shape[1:]))


def _save_gradient(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, displacement, grad, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(image, displacement, grad)


def _gradient_backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
    image, displacement, grad = ctx.saved_tensors
    batch, how = grad.shape[0], (ctx.mode, ctx.padding_mode)
    everywhere, moved = _args.to_batch(image, batch), _args.to_batch(displacement, batch)
    to_image = to_displacement = to_grad = None
    if ctx.needs_input_grad[0]:
        splatted = splat_tangent(grad, moved, direction, image.shape[2:], *how)
        to_image = _args.to_batch(splatted, image.shape[0])
    if ctx.needs_input_grad[1]:
        hessian = warp_hessian(everywhere, moved, grad, direction, *how)
        to_displacement = _args.to_batch(hessian, displacement.shape[0])
    if ctx.needs_input_grad[2]:
        to_grad = warp_tangent(everywhere, moved, direction, *how)
    return to_image, to_displacement, to_grad, None, None


def _gradient_along_displacement(
    direction: Tensor, image: Tensor, displacement: Tensor, grad: Tensor, *how: Any
) -> Tensor:
    whole = [_args.to_batch(t, grad.shape[0]) for t in (image, displacement, direction)]
    hessian: Tensor = warp_hessian(*whole[:2], grad, whole[2], *how)
    return hessian


@operator(
    "warp_displacement_gradient(Tensor image, Tensor displacement, Tensor grad, str mode, str "
    "padding_mode) -> Tensor",
    fake=_fake_gradient,
    setup_context=_save_gradient,
    backward=_gradient_backward,
    linear=(0, 2),
    along={1: _gradient_along_displacement},
)
def warp_displacement_gradient(
    image: Tensor, displacement: Tensor, grad: Tensor, mode: str, padding_mode: str
) -> Tensor:
    """sum_c grad_c (d I_c / d position)(x + u(x)), one for every entry of the batch of grad: (B, D,
    *S).
    """
    out = _args.in_huge_pages(_fake_gradient(image, displacement, grad))
    inputs = (_args.pack(image), _args.pack(displacement), grad.contiguous())
    run_derivative(_core.warp_displacement_gradient, inputs, out, mode, padding_mode)
    return out


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, displacement, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(image, displacement)


def _warp_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, displacement = ctx.saved_tensors
    how = ctx.mode, ctx.padding_mode
    to_image = to_displacement = None
    if ctx.needs_input_grad[0]:
        shape, batch = image.shape[2:], image.shape[0]
        to_image = torch.ops.quicksilver.splat(grad, displacement, shape, batch, *how)
    if ctx.needs_input_grad[1]:
        to_displacement = warp_displacement_gradient(image, displacement, grad, *how)
        to_displacement = _args.to_batch(to_displacement, displacement.shape[0])
    return to_image, to_displacement, None, None


def warp_along(direction: Tensor, image: Tensor, displacement: Tensor, *how: Any) -> Tensor:
    """Differentiate warp along a direction of the displacement, batches of one being broadcast."""
    batch = _args.batch_of(image, displacement)
    whole = [_args.to_batch(t, batch) for t in (image, displacement, direction)]
    tangent: Tensor = warp_tangent(*whole, *how)
    return tangent


@operator(
    "warp(Tensor image, Tensor displacement, str mode, str padding_mode) -> Tensor",
    fake=_fake_warp,
    setup_context=_save,
    backward=_warp_backward,
    linear=(0,),
    along={1: warp_along},
)
def _warp(image: Tensor, displacement: Tensor, mode: str, padding_mode: str) -> Tensor:
    out = _fake_warp(image, displacement)
    image, displacement = _args.pack(image), _args.pack(displacement)
    _core.warp(
        _args.field(image),
        _args.field(displacement),
        _args.new_field(out),
        _options.sampling(mode, padding_mode),
        _args.queue_of(image),
    )
    return out


def _compose_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    to_outer, to_inner, *_ = _warp_backward(ctx, grad)
    if to_inner is not None:
        to_inner = to_inner + _args.to_batch(grad, to_inner.shape[0])
    return to_outer, to_inner, None, None


@operator(
    "compose(Tensor outer, Tensor inner, str mode, str padding_mode) -> Tensor",
    fake=_fake_warp,
    setup_context=_save,
    backward=_compose_backward,
    along={
        0: lambda direction, _, inner, *how: _warp(direction, inner, *how),
        1: lambda direction, *inputs: direction + warp_along(direction, *inputs),
    },
)
def _compose(outer: Tensor, inner: Tensor, mode: str, padding_mode: str) -> Tensor:
    out = _fake_warp(outer, inner)
    outer, inner = _args.pack(outer), _args.pack(inner)
    _core.compose(
        _args.field(outer),
        _args.field(inner),
        _args.new_field(out),
        _options.sampling(mode, padding_mode),
        _args.queue_of(outer),
    )
    return out


def check_interpolable(op: str, image: Tensor, mode: str, precision: torch.dtype) -> None:
    """Require a dtype that this mode interpolates by a displacement of this precision."""
    integers = not (image.is_complex() or image.is_floating_point())
    halves = _args.HALVES if precision == torch.float32 else ()
    if image.dtype in (*_args.FLOATS, *halves) or (integers and mode == "nearest"):
        return
    raise TypeError(
        f"{op}: image: expected float32 or float64 (or half of it, with a float32 displacement) "
        f"for mode {mode!r}, found {image.dtype}; convert it, or use mode='nearest' for integer "
        "labels"
    )


def warp(
    image: Tensor, displacement: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """Image seen through a map: ``warp(I, u)(x) = I(x + u(x))``.

    Args:
        image: (B, C, *Sin), float32 or float64; float16 or bfloat16 with a float32 displacement
            (the maths is in float32); any integer dtype too with ``mode="nearest"``.
        displacement: (B, D, *S) in voxels of the image's grid, component c along array axis c. S
            may differ from Sin: x runs over S. A batch of one is broadcast, in either argument,
            without a copy.
        mode: "linear", "nearest" (label maps; no gradient to the displacement) or "cubic" (Keys'
            convolution, a = -1/2, four samples per axis).
        padding_mode: outside the image, "border" continues the border value, "zeros" reads 0,
            "reflect" reads the image mirrored about its border samples (d c b | a b c d | c b a),
            "wrap" the image again (c d | a b c d | a b).

    Returns:
        (B, C, *S), the image's dtype. Its gradient is exact: `splat` for the image, the derivative
        of the interpolant for the displacement; so is the gradient's gradient.

        "nearest" takes the upper sample at ties: position 0.5 reads sample 1, where
        torch.nn.functional.grid_sample reads the even one. On a sample, where "linear" has a kink,
        the slope is that of the interval above, on the last sample with "border" of the one below:
        at zero displacement border voxels are pulled as others are. grid_sample has a slope of 0 on
        the border with its padding_mode="border".

    Raises:
        TypeError: a dtype is not supported, or the two differ.
        ValueError: shapes, devices or options do not fit.

    Cost:
        12 + 8 C bytes per voxel of S (3-D, float32); backward 24 + 8 C for the displacement, 12 + 8
        C for the image.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> qs.warp(image, torch.tensor([[1.0, 0.0]]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2))
        tensor([[[[2., 3.],
                  [2., 3.]]]])
    """
    _options.check_choice("warp", "mode", mode, _options.MODES)
    _options.check_choice("warp", "padding_mode", padding_mode, _options.PADDINGS)
    image, displacement = _args.promote(image, displacement)
    _args.check_field("warp", "image", image, floating=False)
    _args.check_vectors("warp", "displacement", displacement)
    _args.check_same_axes("warp", "displacement", displacement, image)
    _args.check_samples("warp", "image", image.shape[2:], mode, single=True)
    _args.check_batch("warp", "displacement", displacement, image)
    check_interpolable("warp", image, mode, displacement.dtype)
    if image.dtype in _args.HALVES:
        return warp(image.float(), displacement, mode, padding_mode).to(image.dtype)
    if image.is_floating_point():
        _args.check_same_place("warp", "displacement", displacement, image)
        image = _args.widen_single_axes(image, mode, padding_mode)
        result: Tensor = _warp(image, displacement, mode, padding_mode)
        return result
    bits: Tensor = _warp_bits(image, displacement, padding_mode)
    return bits


def compose(
    outer: Tensor, inner: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """The displacement of ``(id + outer) o (id + inner)``: ``inner(x) + outer(x + inner(x))``.

    Args:
        outer, inner: (B, D, *S) in voxels, on one grid. A batch of one is broadcast, in either.
        mode: "linear" or "cubic" interpolation of `outer`.
        padding_mode: outside the grid `outer` continues with its "border" value, is "zeros" (the
            identity), or its values "reflect" or "wrap" as an image's do.

    Returns:
        (B, D, *S).

    Cost:
        36 bytes per voxel (3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> shift = torch.ones(1, 2, 4, 4)
        >>> bool((qs.compose(shift, shift) == 2).all())
        True
    """
    _options.check_choice("compose", "mode", mode, ("linear", "cubic"))
    _options.check_choice("compose", "padding_mode", padding_mode, _options.PADDINGS)
    outer, inner = _args.promote(outer, inner)
    _args.check_vectors("compose", "outer", outer)
    _args.check_vectors("compose", "inner", inner)
    _args.check_same_grid("compose", "inner", inner, outer)
    _args.check_samples("compose", "outer", outer.shape[2:], mode, single=True)
    _args.check_batch("compose", "inner", inner, outer)
    if 1 in outer.shape[2:]:
        return inner + warp(outer, inner, mode, padding_mode)
    result: Tensor = _compose(outer, inner, mode, padding_mode)
    return result
