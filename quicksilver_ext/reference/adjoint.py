"""The adjoint representation: group and algebra acting on velocities and momenta."""

from __future__ import annotations

import torch
from torch import Tensor

from .invert import invert
from .jacobian import gradient, matrices
from .warp import one_batch, warp


def Ad_star(momentum: Tensor, displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """det(D psi) (D psi)^T (m o psi) with psi = id + u; m is linear, and zero outside the grid."""
    derivative = matrices(displacement, faces)
    pulled = warp(momentum, displacement, "linear", "zeros")
    transported = torch.einsum("b...ca,bc...->ba...", derivative, pulled)
    determinant: Tensor = torch.linalg.det(derivative)
    return determinant[:, None] * transported.contiguous()


def Ad(
    velocity: Tensor,
    displacement: Tensor,
    inverse: Tensor | None = None,
    faces: str = "one_sided",
) -> Tensor:
    """(D psi v) o psi^-1 with psi = id + u and `inverse` the displacement of psi^-1."""
    inverse = invert(displacement)[0] if inverse is None else inverse
    pushed = torch.einsum("b...ca,ba...->bc...", matrices(displacement, faces), velocity)
    return warp(pushed, inverse, "linear", "zeros")


def ad(velocity: Tensor, other: Tensor, faces: str = "one_sided") -> Tensor:
    """D v w - D w v."""

    def along(field: Tensor, direction: Tensor) -> Tensor:
        return torch.einsum("bca...,ba...->bc...", gradient(field, faces), direction)

    return (along(velocity, other) - along(other, velocity)).contiguous()


def ad_star(velocity: Tensor, momentum: Tensor, faces: str = "one_sided") -> Tensor:
    """The transpose of w -> ad_v w, by autograd."""
    velocity, momentum = one_batch(velocity, momentum)
    transpose = torch.func.vjp(lambda w: ad(velocity, w, faces), torch.zeros_like(velocity))[1]
    result: Tensor = transpose(momentum)[0]
    return result
