"""Ad_star: the twin, affine maps, and its duality with the pushforward of velocities."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference

FACES = pytest.mark.parametrize("faces", ["one_sided", "half"])


@FACES
def test_twin(fields, grid, dtype, agree, faces):
    agree(
        lambda m, u: qs.Ad_star(m, u, faces),
        lambda m, u: reference.Ad_star(m, u, faces),
        fields.noise(grid, len(grid), dtype=dtype),
        fields.displacement(grid, 4.3, dtype=dtype),
    )


@FACES
def test_gradcheck(fields, small_grid, gradcheck, faces):
    momentum = fields.noise(small_grid, len(small_grid))
    displacement = fields.displacement(small_grid, 1.5)
    gradcheck(lambda m, u: qs.Ad_star(m, u, faces), momentum, displacement)


def test_transpose_in_the_momentum(fields, grid):
    """<Ad*_psi m, w> = <m, splat(det(D psi) D psi w)>: the backward pass is the transpose."""
    momentum = fields.noise(grid, len(grid)).requires_grad_()
    velocity = fields.noise(grid, len(grid))
    displacement = fields.displacement(grid, 4.3)
    result = qs.Ad_star(momentum, displacement)
    left = (result * velocity).sum()
    (pushed,) = torch.autograd.grad(left, momentum)
    right = (momentum * pushed).sum()
    scale = result.norm() * velocity.norm()
    assert abs(left - right) <= 1e-14 * scale


def test_affine_map(fields, grid, close):
    """det(A) A^T m(A x + b) for a momentum that is linear in x."""
    dimension = len(grid)
    noise = fields.noise((dimension,), dimension, batch=2).cpu()
    matrix = torch.eye(dimension, dtype=torch.float64) + 0.05 * noise[0]
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )
    psi = torch.einsum("ca,a...->c...", matrix, x) + 0.3

    def momentum(p):
        return 1 + torch.einsum("ca,a...->c...", noise[1], p)

    found = qs.Ad_star(momentum(x)[None].to(fields.device), (psi - x)[None].to(fields.device))
    expected = torch.linalg.det(matrix) * torch.einsum("ca,c...->a...", matrix, momentum(psi))
    last = torch.tensor([n - 1 for n in grid]).reshape(-1, *[1] * dimension)
    inside = ((psi >= 0) & (psi <= last)).all(0)
    assert inside.float().mean() > 0.5
    close(found[0].cpu()[:, inside], expected[:, inside])


def test_identity_is_neutral(fields, grid, dtype):
    momentum = fields.noise(grid, len(grid), dtype=dtype)
    assert torch.equal(qs.Ad_star(momentum, torch.zeros_like(momentum)), momentum)


def test_nothing_comes_from_outside(fields, grid):
    momentum = fields.noise(grid, len(grid))
    away = torch.full_like(momentum, 50.0)
    assert not qs.Ad_star(momentum, away).any()
