"""The adjoint representation of diffeomorphisms: Ad and its dual."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator
from .bracket import check_pair
from .gradient import gradient, gradient_transpose
from .invert import invert
from .jacobian import determinant_along, jacobian, jacobian_determinant
from .tangent import warp_tangent
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


def _along_displacement(
    direction: Tensor, momentum: Tensor, displacement: Tensor, faces: str
) -> Tensor:
    """Differentiate the product of det(D psi), (D psi)^T and m o psi."""
    how = "linear", "zeros"
    matrix, slopes = jacobian(displacement, faces), gradient(direction, faces)
    pulled = warp(momentum, displacement, *how)
    moved = warp_tangent(momentum, displacement, direction, *how)
    turned = _transposed(slopes, pulled) + _transposed(matrix, moved)
    growth = determinant_along(direction, displacement, faces)
    return growth * _transposed(matrix, pulled) + jacobian_determinant(displacement, faces) * turned


def _transposed(matrix: Tensor, vector: Tensor) -> Tensor:
    """Multiply a vector field by the transpose of a matrix field (B, D, D, *S)."""
    return (matrix * vector[:, :, None]).sum(1)


@operator(
    "Ad_star(Tensor momentum, Tensor displacement, str faces) -> Tensor",
    fake=lambda momentum, displacement, faces: _like(momentum, momentum.shape[1]),
    setup_context=_save,
    backward=_backward,
    linear=(0,),
    along={1: _along_displacement},
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
    velocity, displacement = check_pair("Ad", "displacement", velocity, displacement, faces)
    if inverse is None:
        inverse = invert(displacement)[0]
    else:
        (inverse,) = _args.promote(inverse)
        _args.check_vectors("Ad", "inverse", inverse)
        _args.check_same_grid("Ad", "inverse", inverse, velocity)
        _args.check_batch("Ad", "inverse", inverse, velocity)
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
    _args.check_samples("Ad_star", "momentum", momentum.shape[2:], "linear")
    momentum, displacement = _args.expand_batches("Ad_star", "displacement", momentum, displacement)
    result: Tensor = _Ad_star(momentum, displacement, faces)
    return result
