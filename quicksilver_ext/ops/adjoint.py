"""The coadjoint action of diffeomorphisms on momenta."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator
from .jacobian import jacobian_transpose


def _like(tensor: Tensor, channels: int) -> Tensor:
    return tensor.new_empty((tensor.shape[0], channels, *tensor.shape[2:]))


def _fake_gradient(
    momentum: Tensor, displacement: Tensor, grad: Tensor, faces: str
) -> tuple[Tensor, Tensor, Tensor]:
    dims = momentum.shape[1]
    return _like(momentum, dims), _like(momentum, dims * dims), _like(momentum, dims)


@operator(
    "Ad_star_gradient(Tensor momentum, Tensor displacement, Tensor grad, str faces) -> (Tensor, Tensor, Tensor)",
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
        _args.result(pulled),
        _args.result(matrices),
        _args.result(direct),
        _options.FACES[faces],
        _args.queue(momentum),
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
            pulled, displacement, momentum.shape[2:], "linear", "zeros"
        )
    if ctx.needs_input_grad[1]:
        to_displacement = direct + jacobian_transpose(matrices, ctx.faces)
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
        _args.result(out),
        _options.FACES[faces],
        _args.queue(momentum),
    )
    return out


def Ad_star(momentum: Tensor, displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """The momentum carried along a map: ``det(D psi) (D psi)^T (m o psi)`` with ``psi = id + u``.

    With psi = phi_t^-1 this is the momentum at time t of the geodesic that starts with m (EPDiff's conservation
    law). The signed determinant is used.

    Args:
        momentum: (B, D, *S), zero outside the grid; linear interpolation.
        displacement: (B, D, *S), u in voxels.
        faces: differences on the first and last sample, as in `jacobian_determinant`.

    Returns:
        (B, D, *S).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> m = torch.randn(1, 3, 8, 8, 8)
        >>> bool(torch.allclose(qs.Ad_star(m, torch.zeros_like(m)), m))
        True
    """
    _options.choice("Ad_star", "faces", faces, _options.FACES)
    _args.check_vectors("Ad_star", "momentum", momentum)
    _args.check_vectors("Ad_star", "displacement", displacement)
    _args.check_same_grid("Ad_star", "displacement", displacement, momentum)
    _args.check_samples("Ad_star", "momentum", momentum, "linear")
    momentum, displacement = _args.same_batch("Ad_star", "displacement", momentum, displacement)
    result: Tensor = _Ad_star(momentum, displacement, faces)
    return result
