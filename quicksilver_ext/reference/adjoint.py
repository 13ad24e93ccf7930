"""The adjoint representation: group and algebra acting on velocities and momenta."""

from __future__ import annotations

import torch
from torch import Tensor

from .jacobian import _jacobian
from .warp import warp


def Ad_star(momentum: Tensor, displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """det(D psi) (D psi)^T (m o psi) with psi = id + u; m is linear, and zero outside the grid."""
    derivative = _jacobian(displacement, faces)
    pulled = warp(momentum, displacement, "linear", "zeros")
    transported = torch.einsum("b...ca,bc...->ba...", derivative, pulled)
    determinant: Tensor = torch.linalg.det(derivative)
    return determinant[:, None] * transported.contiguous()
