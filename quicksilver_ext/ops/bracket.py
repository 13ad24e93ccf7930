"""The adjoint representation of velocities: ad and its transpose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator


def _fake_ad(velocity: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(velocity, memory_format=torch.contiguous_format)


def _save_ad(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    first, second, ctx.faces = inputs
    ctx.save_for_backward(first, second)


def _ad_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    # ad_v w = -ad_w v, and <g, ad_v w> = <ad*_v g, w>.
    velocity, other = ctx.saved_tensors
    to_velocity = to_other = None
    if ctx.needs_input_grad[0]:
        to_velocity = -_ad_star(other, grad, ctx.faces)
    if ctx.needs_input_grad[1]:
        to_other = _ad_star(velocity, grad, ctx.faces)
    return to_velocity, to_other, None


@operator(
    "ad(Tensor velocity, Tensor other, str faces) -> Tensor",
    fake=_fake_ad,
    setup_context=_save_ad,
    backward=_ad_backward,
    linear=(0, 1),
)
def _ad(velocity: Tensor, other: Tensor, faces: str) -> Tensor:
    velocity, other, out = velocity.contiguous(), other.contiguous(), _fake_ad(velocity)
    fields = _args.field(velocity), _args.field(other), _args.new_field(out)
    _core.ad(*fields, _options.FACES[faces], _args.queue_of(velocity))
    return out


def _ad_star_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    # <g, ad*_v m> = <ad_v g, m> = -<ad_g v, m> = -<v, ad*_g m>.
    velocity, momentum = ctx.saved_tensors
    to_velocity = to_momentum = None
    if ctx.needs_input_grad[0]:
        to_velocity = -_ad_star(grad, momentum, ctx.faces)
    if ctx.needs_input_grad[1]:
        to_momentum = _ad(velocity, grad, ctx.faces)
    return to_velocity, to_momentum, None


@operator(
    "ad_star(Tensor velocity, Tensor momentum, str faces) -> Tensor",
    fake=_fake_ad,
    setup_context=_save_ad,
    backward=_ad_star_backward,
    linear=(0, 1),
)
def _ad_star(velocity: Tensor, momentum: Tensor, faces: str) -> Tensor:
    velocity, momentum, out = velocity.contiguous(), momentum.contiguous(), _fake_ad(velocity)
    fields = _args.field(velocity), _args.field(momentum), _args.new_field(out)
    _core.ad_star(*fields, _options.FACES[faces], _args.queue_of(velocity))
    return out


def check_pair(
    op: str, argument: str, velocity: Tensor, other: Tensor, faces: str
) -> tuple[Tensor, Tensor]:
    """Check a velocity and another vector field on its grid; return both in one batch size."""
    _options.check_choice(op, "faces", faces, _options.FACES)
    velocity, other = _args.promote(velocity, other)
    _args.check_vectors(op, "velocity", velocity)
    _args.check_vectors(op, argument, other)
    _args.check_same_grid(op, argument, other, velocity)
    return _args.expand_batches(op, argument, velocity, other)


def ad(velocity: Tensor, other: Tensor, faces: str = "one_sided") -> Tensor:
    """``ad_v w = D v w - D w v``: the derivative of `Ad` at the identity, the Lie bracket of
    velocities with its sign.

    Args:
        velocity, other: (B, D, *S), v and w in voxels per unit of time. A batch of one is repeated.
        faces: differences on the first and last sample, as in `gradient`.

    Returns:
        (B, D, *S). Antisymmetric: ``ad(v, w) == -ad(w, v)``.

    Cost:
        36 bytes per voxel (3-D, float32); backward 36 for each gradient.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> v, w = torch.randn(2, 1, 3, 6, 7, 5)
        >>> bool((qs.ad(v, w) == -qs.ad(w, v)).all() and (qs.ad(v, v) == 0).all())
        True
    """
    velocity, other = check_pair("ad", "other", velocity, other, faces)
    result: Tensor = _ad(velocity, other, faces)
    return result


def ad_star(velocity: Tensor, momentum: Tensor, faces: str = "one_sided") -> Tensor:
    """The transpose of `ad` in its second argument, to rounding: ``<ad*_v m, w> = <m, ad_v w>``.

    ``(Dv)^T m - sum_b D_b^T (v_b m)``, inside the grid the discrete form of ``(Dv)^T m + (Dm) v + m
    div v``: EPDiff is ``dm/dt = -ad*_v m`` with ``v = K m``.

    Args:
        velocity: (B, D, *S), v in voxels per unit of time. momentum: (B, D, *S), m. A batch of one
            is repeated.
        faces: differences on the first and last sample, as in `gradient`.

    Returns:
        (B, D, *S).

    Cost:
        36 bytes per voxel (3-D, float32); backward 36 for each gradient.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> v, m, w = torch.randn(3, 1, 2, 9, 8, dtype=torch.float64)
        >>> bool(torch.isclose((qs.ad_star(v, m) * w).sum(), (m * qs.ad(v, w)).sum()))
        True
    """
    velocity, momentum = check_pair("ad_star", "momentum", velocity, momentum, faces)
    result: Tensor = _ad_star(velocity, momentum, faces)
    return result
