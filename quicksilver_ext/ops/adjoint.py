"""The adjoint representation: diffeomorphisms and velocities acting on velocities and momenta."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator
from .gradient import gradient_transpose
from .invert import invert
from .jacobian import jacobian
from .warp import warp


def _like(tensor: Tensor, channels: int) -> Tensor:
    return tensor.new_empty((tensor.shape[0], channels, *tensor.shape[2:]))


def _fake_gradient(
    momentum: Tensor, displacement: Tensor, grad: Tensor, faces: str
) -> tuple[Tensor, Tensor, Tensor]:
    dims = momentum.shape[1]
    return _like(momentum, dims), _like(momentum, dims * dims), _like(momentum, dims)


@operator(
    "Ad_star_gradient(Tensor momentum, Tensor displacement, Tensor grad, str faces) -> (Tensor, "
    "Tensor, Tensor)",
    fake=_fake_gradient,
)
def _gradient(
    momentum: Tensor, displacement: Tensor, grad: Tensor, faces: str
) -> tuple[Tensor, Tensor, Tensor]:
    momentum, displacement, grad = (
        momentum.contiguous(),
        displacement.contiguous(),
        grad.contiguous(),
    )
    pulled, matrices, direct = _fake_gradient(momentum, displacement, grad, faces)
    _core.Ad_star_gradient(
        _args.field(momentum),
        _args.field(displacement),
        _args.field(grad),
        _args.new_field(pulled),
        _args.new_field(matrices),
        _args.new_field(direct),
        _options.FACES[faces],
        _args.queue_of(momentum),
    )
    return pulled, matrices, direct


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    momentum, displacement, ctx.faces = inputs
    ctx.save_for_backward(momentum, displacement)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    momentum, displacement = ctx.saved_tensors
    pulled, matrices, direct = _gradient(momentum, displacement, grad, ctx.faces)
    to_momentum = to_displacement = None
    if ctx.needs_input_grad[0]:
        to_momentum = torch.ops.quicksilver.splat(
            pulled, displacement, momentum.shape[2:], pulled.shape[0], "linear", "zeros"
        )
    if ctx.needs_input_grad[1]:
        to_displacement = direct + gradient_transpose(matrices, ctx.faces)
    return to_momentum, to_displacement, None


@operator(
    "Ad_star(Tensor momentum, Tensor displacement, str faces) -> Tensor",
    fake=lambda momentum, displacement, faces: _like(momentum, momentum.shape[1]),
    setup_context=_save,
    backward=_backward,
)
def _Ad_star(momentum: Tensor, displacement: Tensor, faces: str) -> Tensor:
    momentum, displacement = momentum.contiguous(), displacement.contiguous()
    out = torch.empty_like(momentum)
    _core.Ad_star(
        _args.field(momentum),
        _args.field(displacement),
        _args.new_field(out),
        _options.FACES[faces],
        _args.queue_of(momentum),
    )
    return out


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
)
def _ad_star(velocity: Tensor, momentum: Tensor, faces: str) -> Tensor:
    velocity, momentum, out = velocity.contiguous(), momentum.contiguous(), _fake_ad(velocity)
    fields = _args.field(velocity), _args.field(momentum), _args.new_field(out)
    _core.ad_star(*fields, _options.FACES[faces], _args.queue_of(velocity))
    return out


def _vectors(
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
    velocity, other = _vectors("ad", "other", velocity, other, faces)
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
    velocity, momentum = _vectors("ad_star", "momentum", velocity, momentum, faces)
    result: Tensor = _ad_star(velocity, momentum, faces)
    return result


def Ad(
    velocity: Tensor,
    displacement: Tensor,
    inverse: Tensor | None = None,
    faces: str = "one_sided",
) -> Tensor:
    """Velocity carried by a map: ``Ad_psi v = (D psi v) o psi^-1`` with ``psi = id + u``.

    `Ad_star` is its dual, ``<Ad*_psi m, v> = <m, Ad_psi v>``, in the limit of fine grids; what is
    dual to rounding is the gradient of `Ad_star` by the momentum, a splat.

    Args:
        velocity: (B, D, *S), v in voxels; the result is 0 where psi^-1 leaves the grid.
        displacement: (B, D, *S), u in voxels.
        inverse: (B, D, *S), displacement of psi^-1, from ``invert(displacement)`` where not given.
        faces: differences on the first and last sample, as in `jacobian`.

    Returns:
        (B, D, *S).

    Cost:
        composed: 48 for the Jacobian, 60 for the product, 36 for the warp, and `invert` (bytes per
        voxel, 3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> v = torch.randn(1, 3, 8, 8, 8)
        >>> bool(torch.allclose(qs.Ad(v, torch.zeros_like(v)), v))
        True
    """
    velocity, displacement = _vectors("Ad", "displacement", velocity, displacement, faces)
    if inverse is None:
        inverse = invert(displacement)[0]
    else:
        (inverse,) = _args.promote(inverse)
        _args.check_vectors("Ad", "inverse", inverse)
        _args.check_same_grid("Ad", "inverse", inverse, velocity)
    pushed = (jacobian(displacement, faces) * velocity[:, None]).sum(2)
    return warp(pushed, inverse, "linear", "zeros")


def Ad_star(momentum: Tensor, displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """Momentum carried along a map: ``det(D psi) (D psi)^T (m o psi)`` with ``psi = id + u``.

    With psi = phi_t^-1 this is the momentum at time t of the geodesic that starts with m (EPDiff's
    conservation law). The signed determinant is used.

    Args:
        momentum: (B, D, *S), zero outside the grid; linear interpolation.
        displacement: (B, D, *S), u in voxels.
        faces: differences on the first and last sample, as in `jacobian_determinant`.

    Returns:
        (B, D, *S).

    Cost:
        36 bytes per voxel (3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> m = torch.randn(1, 3, 8, 8, 8)
        >>> bool(torch.allclose(qs.Ad_star(m, torch.zeros_like(m)), m))
        True
    """
    _options.check_choice("Ad_star", "faces", faces, _options.FACES)
    momentum, displacement = _args.promote(momentum, displacement)
    _args.check_vectors("Ad_star", "momentum", momentum)
    _args.check_vectors("Ad_star", "displacement", displacement)
    _args.check_same_grid("Ad_star", "displacement", displacement, momentum)
    _args.check_samples("Ad_star", "momentum", momentum, "linear")
    momentum, displacement = _args.expand_batches("Ad_star", "displacement", momentum, displacement)
    result: Tensor = _Ad_star(momentum, displacement, faces)
    return result
