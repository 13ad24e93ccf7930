"""Similarities of a warped image and a target: ssd and lncc, and the means over windows of the
latter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._autograd import is_differentiated_again, may_need_gradient
from .._register import operator
from .warp import warp, warp_along, warp_displacement_gradient

PADDINGS = ("border", "zeros")


def _fake(
    image: Tensor, target: Tensor, displacement: Tensor, slopes: bool, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    batch = _args.batch_of(image, target, displacement)
    shape = displacement.shape[2:]
    kept = displacement.new_empty((batch if slopes else 0, displacement.shape[1], *shape))
    return image.new_empty(batch), image.new_empty((batch, image.shape[1], *shape)), kept


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    image, target, displacement, ctx.kept, ctx.padding_mode = inputs
    ctx.save_for_backward(image, target, displacement, *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    image, target, displacement, residual, slopes = ctx.saved_tensors
    how = ("linear", ctx.padding_mode)
    # Where this is itself being differentiated, what was kept will not do: it is no function of the
    # inputs.
    twice = is_differentiated_again()
    if twice:
        residual = torch.ops.quicksilver.warp(image, displacement, *how) - target
    weight = 2 * grad.reshape(-1, *[1] * (image.ndim - 1))
    kept = ctx.kept and not twice
    weighted = residual if kept and not any(ctx.needs_input_grad[:2]) else weight * residual
    to_image = to_target = to_displacement = None
    if ctx.needs_input_grad[0]:
        sizes = (image.shape[2:], image.shape[0])
        to_image = torch.ops.quicksilver.splat(weighted, displacement, *sizes, *how)
    if ctx.needs_input_grad[1]:
        to_target = _args.to_batch(-weighted, target.shape[0])
    if ctx.needs_input_grad[2]:
        moves = (
            weight * slopes
            if kept
            else warp_displacement_gradient(image, displacement, weighted, *how)
        )
        to_displacement = _args.to_batch(moves, displacement.shape[0])
    return to_image, to_target, to_displacement, None, None


def _along(position: int) -> Callable[..., Tensor]:
    """Make the formula of the sums of squares along a direction of one argument."""

    def formula(direction: Tensor, *arguments: Any) -> Tensor:
        image, target, displacement, _, padding_mode = arguments
        how = ("linear", padding_mode)
        residual = torch.ops.quicksilver.warp(image, displacement, *how) - target
        if position == 0:
            moves = torch.ops.quicksilver.warp(direction, displacement, *how)
        elif position == 1:
            moves = -direction
        else:
            moves = warp_along(direction, image, displacement, *how)
        return 2 * (residual * moves).flatten(1).sum(1)

    return formula


@operator(
    "ssd(Tensor image, Tensor target, Tensor displacement, bool slopes, str padding_mode)"
    " -> (Tensor, Tensor, Tensor)",
    fake=_fake,
    setup_context=_save,
    backward=_backward,
    along={position: _along(position) for position in range(3)},
)
def _ssd(
    image: Tensor, target: Tensor, displacement: Tensor, slopes: bool, padding_mode: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The sums of squares, the residual, and where slopes its product with the derivative of the
    image.
    """
    _, residual, kept = _fake(image, target, displacement, slopes)
    image, target, displacement = map(_args.pack, (image, target, displacement))
    _core.warp_residual(
        _args.field(image),
        _args.field(target),
        _args.field(displacement),
        _args.new_field(residual),
        _args.new_field(kept),
        _options.PADDINGS[padding_mode],
        _args.queue_of(image),
    )
    return residual.flatten(1).square().sum(1), residual, kept


def _check_all(
    op: str, image: Tensor, target: Tensor, displacement: Tensor, padding_mode: str
) -> tuple[Tensor, Tensor, Tensor]:
    _options.check_choice(op, "padding_mode", padding_mode, PADDINGS)
    image, target, displacement = _args.promote(image, target, displacement)
    _args.check_field(op, "image", image)
    _args.check_field(op, "target", target)
    _args.check_vectors(op, "displacement", displacement)
    _args.check_same_place(op, "displacement", displacement, image)
    _args.check_samples(op, "image", image.shape[2:], "linear", single=True)
    _args.check_same_grid(op, "target", target, displacement)
    if target.shape[1] != image.shape[1]:
        raise ValueError(
            f"{op}: target: expected {image.shape[1]} channels as the image, found "
            f"{target.shape[1]}; pass as many"
        )
    _args.check_batch(op, "displacement", displacement, image)
    for other in (image, displacement):
        _args.check_batch(op, "target", target, other)
    image = _args.widen_single_axes(image, "linear", padding_mode)
    return image, target, displacement


def ssd(
    image: Tensor, target: Tensor, displacement: Tensor, padding_mode: str = "border"
) -> Tensor:
    """Sum of squared differences of a warped image and a target: ``sum_x,c (I(x + u(x)) -
    J(x))^2``.

    One pass, which where the displacement has a gradient computes that as well; nothing is warped
    in the backward pass.

    Args:
        image: (B, C, *Sin), I, float32 or float64.
        target: (B, C, *S), J. displacement: (B, D, *S), u in voxels of Sin. Batches of one are
            broadcast.
        padding_mode: "border" or "zeros", as of `warp`; the interpolation is linear.

    Returns:
        (B,), one sum for each entry of the batch, differentiable twice by all three.

    Cost:
        12 + 12 C bytes per voxel (3-D, float32), 12 more with the gradient by the displacement, and
        4 C to sum.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image = torch.rand(2, 1, 5, 6)
        >>> qs.ssd(image, image, torch.zeros(1, 2, 5, 6))
        tensor([0., 0.])
    """
    image, target, displacement = _check_all("ssd", image, target, displacement, padding_mode)
    slopes = may_need_gradient(displacement)
    sums: Tensor = _ssd(image, target, displacement, slopes, padding_mode)[0]
    return sums


def _save_window(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.window = inputs[1]


@operator(
    "box_mean(Tensor field, int window) -> Tensor",
    fake=lambda field, window: torch.empty_like(field, memory_format=torch.contiguous_format),
    setup_context=_save_window,
    backward=lambda ctx, grad: (torch.ops.quicksilver.box_mean(grad, ctx.window), None),
    linear=(0,),
)
def _box_mean(field: Tensor, window: int) -> Tensor:
    """The mean over a window around every voxel, zeros outside: axis by axis; self-adjoint."""
    field = field.contiguous()
    for axis in range(field.ndim - 2):
        out = torch.empty_like(field)
        _core.box_mean(
            _args.field(field), _args.new_field(out), axis, window, _args.queue_of(field)
        )
        field = out
    return field


def _check_window(op: str, window: Any) -> None:
    if not isinstance(window, int) or isinstance(window, bool) or window < 1 or window % 2 == 0:
        raise ValueError(f"{op}: window: expected an odd integer >= 1, found {window!r}; try 9")


def box_mean(field: Tensor, window: int) -> Tensor:
    """Mean over a cubic window around each voxel, zeros outside the grid.

    Over the mean of ones it is the mean of what the grid has of each window.

    Args:
        field: (B, C, *S), float32 or float64.
        window: voxels along each axis, odd.

    Returns:
        (B, C, *S), linear in the field and self-adjoint, differentiable any number of times.

    Cost:
        8 D bytes per voxel and channel (float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> qs.box_mean(torch.ones(1, 1, 1, 4), 3)  # one row of three
        tensor([[[[0.2222, 0.3333, 0.3333, 0.2222]]]])
    """
    (field,) = _args.promote(field)
    _args.check_field("box_mean", "field", field)
    _check_window("box_mean", window)
    result: Tensor = _box_mean(field, window)
    return result


def lncc(
    image: Tensor,
    target: Tensor,
    displacement: Tensor,
    window: int = 9,
    epsilon: float = 1e-10,
    padding_mode: str = "border",
) -> Tensor:
    """Local normalised cross-correlation of a warped image and a target, as a loss: ``1 - mean_x,c
    cc^2``.

    ``cc^2 = cov(I o phi, J)^2 / (var(I o phi) var(J) + epsilon)`` over a cubic window around each
    voxel, zeros outside the grid: what VoxelMorph's NCC is, which is this less one, with its 1e-5
    for ``epsilon * window^(2 D)``.

    Args:
        image: (B, C, *Sin), I, float32 or float64.
        target: (B, C, *S), J. displacement: (B, D, *S), u in voxels of Sin. Batches of one are
            broadcast.
        window: voxels along each axis, odd.
        epsilon: in intensity to the fourth power; keeps flat regions from counting.
        padding_mode: "border" or "zeros", as of `warp`; the interpolation is linear.

    Returns:
        (B,), between 0 (equal up to a linear change of intensities in every window inside the grid)
        and 1.

    Cost:
        five box means of 8 D bytes per voxel (float32) each, around one `warp`.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image, still = torch.rand(1, 1, 16, 16), torch.zeros(1, 2, 16, 16)
        >>> bool(qs.lncc(image, image, still) < 1e-4 < qs.lncc(image, image.flip(2), still))
        True
    """
    image, target, displacement = _check_all("lncc", image, target, displacement, padding_mode)
    _options.check_number("lncc", "epsilon", epsilon, "a finite number", "1e-10")
    _check_window("lncc", window)
    warped = warp(image, displacement, "linear", padding_mode)
    mean, other = _box_mean(warped, window), _box_mean(target, window)
    covariance = _box_mean(warped * target, window) - mean * other
    variance = _box_mean(warped * warped, window) - mean * mean
    variances = variance * (_box_mean(target * target, window) - other * other)
    correlation = covariance * covariance / (variances + epsilon)
    return 1 - correlation.flatten(1).mean(1)
