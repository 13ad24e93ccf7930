"""Interpolation at displaced voxels: warp and compose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator


def _fake_warp(image: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    return image.new_empty((image.shape[0], image.shape[1], *displacement.shape[2:]))


@operator(
    "warp_labels(Tensor labels, Tensor displacement, str padding_mode) -> Tensor", fake=_fake_warp
)
def _warp_labels(labels: Tensor, displacement: Tensor, padding_mode: str) -> Tensor:
    labels, displacement = labels.contiguous(), displacement.contiguous()
    out = _fake_warp(labels, displacement)
    _core.warp_labels(
        _args.field(labels),
        _args.field(displacement),
        _args.result(out),
        _options.PADDINGS[padding_mode],
        _args.queue(labels),
    )
    return out


def _fake_gradient(image: Tensor, displacement: Tensor, grad: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(displacement, memory_format=torch.contiguous_format)


@operator(
    "warp_displacement_gradient(Tensor image, Tensor displacement, Tensor grad, str mode, str padding_mode) -> Tensor",
    fake=_fake_gradient,
)
def warp_displacement_gradient(
    image: Tensor, displacement: Tensor, grad: Tensor, mode: str, padding_mode: str
) -> Tensor:
    image, displacement, grad = image.contiguous(), displacement.contiguous(), grad.contiguous()
    out = _fake_gradient(image, displacement, grad)
    _core.warp_displacement_gradient(
        _args.field(image),
        _args.field(displacement),
        _args.field(grad),
        _args.result(out),
        _options.sampling(mode, padding_mode),
        _args.queue(image),
    )
    return out


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, displacement, ctx.mode, ctx.padding_mode = inputs
    ctx.save_for_backward(image, displacement)


def _warp_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, displacement = ctx.saved_tensors
    how = ctx.mode, ctx.padding_mode
    to_image = to_displacement = None
    if ctx.needs_input_grad[0]:
        to_image = torch.ops.quicksilver.splat(grad, displacement, image.shape[2:], *how)
    if ctx.needs_input_grad[1]:
        to_displacement = warp_displacement_gradient(image, displacement, grad, *how)
    return to_image, to_displacement, None, None


@operator(
    "warp(Tensor image, Tensor displacement, str mode, str padding_mode) -> Tensor",
    fake=_fake_warp,
    setup_context=_save,
    backward=_warp_backward,
)
def _warp(image: Tensor, displacement: Tensor, mode: str, padding_mode: str) -> Tensor:
    image, displacement = image.contiguous(), displacement.contiguous()
    out = _fake_warp(image, displacement)
    _core.warp(
        _args.field(image),
        _args.field(displacement),
        _args.result(out),
        _options.sampling(mode, padding_mode),
        _args.queue(image),
    )
    return out


def _compose_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    to_outer, to_inner, *_ = _warp_backward(ctx, grad)
    return to_outer, None if to_inner is None else to_inner + grad, None, None


@operator(
    "compose(Tensor outer, Tensor inner, str mode, str padding_mode) -> Tensor",
    fake=lambda outer, inner, mode, padding_mode: torch.empty_like(
        inner, memory_format=torch.contiguous_format
    ),
    setup_context=_save,
    backward=_compose_backward,
)
def _compose(outer: Tensor, inner: Tensor, mode: str, padding_mode: str) -> Tensor:
    outer, inner = outer.contiguous(), inner.contiguous()
    out = torch.empty_like(inner)
    _core.compose(
        _args.field(outer),
        _args.field(inner),
        _args.result(out),
        _options.sampling(mode, padding_mode),
        _args.queue(outer),
    )
    return out


def warp(
    image: Tensor, displacement: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """The image seen through a map: ``warp(I, u)(x) = I(x + u(x))``.

    Args:
        image: (B, C, *Sin), float32 or float64; any integer dtype too with ``mode="nearest"``.
        displacement: (B, D, *S) in voxels of the image's grid, component c along array axis c. S may differ from
            Sin: x runs over S. A batch of one is broadcast, in either argument.
        mode: "linear", "nearest" (label maps; no gradient to the displacement) or "cubic" (Keys' convolution,
            a = -1/2, four samples per axis).
        padding_mode: outside the image, "border" continues the border value and "zeros" reads 0.

    Returns:
        (B, C, *S), the image's dtype. Its gradient is exact: `splat` for the image, the derivative of the interpolant
        for the displacement.

    Raises:
        TypeError: a dtype is not supported or the two differ; ValueError: shapes, devices or options do not fit.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> qs.warp(image, torch.tensor([[1.0, 0.0]]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2))
        tensor([[[[2., 3.],
                  [2., 3.]]]])
    """
    _options.choice("warp", "mode", mode, _options.MODES)
    _options.choice("warp", "padding_mode", padding_mode, _options.PADDINGS)
    _args.check_field("warp", "image", image, floating=False)
    _args.check_vectors("warp", "displacement", displacement)
    _args.check_same_axes("warp", "displacement", displacement, image)
    _args.check_samples("warp", "image", image, mode)
    image, displacement = _args.same_batch("warp", "displacement", image, displacement)
    if image.dtype in _args.FLOATS:
        _args.check_same_place("warp", "displacement", displacement, image)
        result: Tensor = _warp(image, displacement, mode, padding_mode)
        return result
    if mode != "nearest" or image.is_complex() or image.is_floating_point():
        raise TypeError(
            f"warp: image: expected float32 or float64 for mode {mode!r}, found {image.dtype}; convert it, or use "
            "mode='nearest' for integer labels"
        )
    labels: Tensor = _warp_labels(image, displacement, padding_mode)
    return labels


def compose(
    outer: Tensor, inner: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """The displacement of ``(id + outer) o (id + inner)``: ``inner(x) + outer(x + inner(x))``.

    Args:
        outer, inner: (B, D, *S) in voxels, on one grid.
        mode: "linear" or "cubic" interpolation of `outer`.
        padding_mode: outside the grid `outer` continues with its "border" value, or is "zeros" (the identity).

    Returns:
        (B, D, *S).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> shift = torch.ones(1, 2, 4, 4)
        >>> bool((qs.compose(shift, shift) == 2).all())
        True
    """
    _options.choice("compose", "mode", mode, ("linear", "cubic"))
    _options.choice("compose", "padding_mode", padding_mode, _options.PADDINGS)
    _args.check_vectors("compose", "outer", outer)
    _args.check_vectors("compose", "inner", inner)
    _args.check_same_grid("compose", "inner", inner, outer)
    _args.check_samples("compose", "outer", outer, mode)
    outer, inner = _args.same_batch("compose", "inner", outer, inner)
    result: Tensor = _compose(outer, inner, mode, padding_mode)
    return result
