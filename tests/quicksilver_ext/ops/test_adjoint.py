"""Ad_star, Ad, ad and ad_star: the twins, affine maps, and how they belong together."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import _args, reference
from quicksilver_ext.ops import adjoint

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


@FACES
@pytest.mark.parametrize("name", ["ad", "ad_star"])
def test_algebra_twin(fields, grid, dtype, agree, name, faces):
    agree(
        lambda v, w: getattr(qs, name)(v, w, faces),
        lambda v, w: getattr(reference, name)(v, w, faces),
        fields.noise(grid, len(grid), dtype=dtype),
        fields.noise(grid, len(grid), dtype=dtype),
    )


@pytest.mark.parametrize("name", ["ad", "ad_star"])
def test_algebra_gradchecks(fields, small_grid, gradcheck, name):
    v, w = (fields.noise(small_grid, len(small_grid), batch=1) for _ in range(2))
    gradcheck(getattr(qs, name), v, w)
    assert torch.autograd.gradgradcheck(getattr(qs, name), (v.requires_grad_(), w.requires_grad_()))


@FACES
def test_ad_star_is_the_transpose_of_ad(fields, grid, faces):
    v, m, w = (fields.noise(grid, len(grid)) for _ in range(3))
    left, right = (qs.ad_star(v, m, faces) * w).sum(), (m * qs.ad(v, w, faces)).sum()
    assert abs(left - right) <= 1e-12 * m.norm() * qs.ad(v, w, faces).norm()


def test_ad_of_affine_velocities(fields, grid, close):
    """[A x, B x] = (A B - B A) x: differences are exact on them."""
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )
    a, b = fields.noise((len(grid),), len(grid), batch=2).cpu()
    velocities = [torch.einsum("ca,a...->c...", m, x)[None].to(fields.device) for m in (a, b)]
    expected = torch.einsum("ca,a...->c...", a @ b - b @ a, x)[None].to(fields.device)
    close(qs.ad(*velocities), expected)


def test_Ad_twin(fields, grid, agree):
    velocity, displacement = fields.noise(grid, len(grid)), fields.smooth(grid, 0.7, 3.0, batch=2)
    agree(qs.Ad, reference.Ad, velocity, displacement, tolerance=1e-3)  # Newton stops at 1e-4
    inverse = fields.displacement(grid, 2.3)
    agree(qs.Ad, reference.Ad, velocity, displacement, inverse)


def test_Ad_gradcheck(fields, small_grid, gradcheck):
    fields_of = [fields.displacement(small_grid, 0.7, batch=1) for _ in range(3)]
    gradcheck(qs.Ad, *fields_of)


def test_Ad_of_affine_maps(fields, grid, close):
    """(A v) o psi^-1 with v(x) = M x, away from the faces."""
    dims = len(grid)
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )
    noise = fields.noise((dims,), dims, batch=2).cpu()
    matrix, speed = torch.eye(dims, dtype=torch.float64) + 0.03 * noise[0], noise[1]
    back = torch.linalg.inv(matrix)
    displacement, velocity = (torch.einsum("ca,a...->c...", m, x) for m in (matrix, speed))
    displacement, inverse = displacement - x, torch.einsum("ca,a...->c...", back, x) - x
    found = qs.Ad(*(f[None].to(fields.device) for f in (velocity, displacement, inverse)))
    expected = torch.einsum("ca,a...->c...", matrix @ speed @ back, x)
    position = x + inverse
    last = torch.tensor([n - 1 for n in grid]).reshape(-1, *[1] * dims)
    inside = ((position >= 0) & (position <= last)).all(0)
    assert inside.double().mean() > 0.5
    close(found[0].cpu()[:, inside], expected[:, inside])


def test_Ad_and_Ad_star_are_dual_on_smooth_fields(fields):
    grid = (64, 48)
    window = torch.ones(1, dtype=torch.float64)
    for n in grid:
        window = window[..., None] * torch.hann_window(n, periodic=False, dtype=torch.float64)
    window = window.to(fields.device)
    momentum, velocity = (window * fields.smooth(grid, 1.0, 5.0) for _ in range(2))
    displacement = window * fields.smooth(grid, 3.0, 7.0)
    left = (qs.Ad_star(momentum, displacement) * velocity).sum()
    right = (momentum * qs.Ad(velocity, displacement)).sum()
    assert abs(left - right) <= 0.02 * momentum.norm() * velocity.norm()
    assert abs(left - (momentum * velocity).sum()) > 5 * abs(left - right)


def test_ad_is_the_derivative_of_Ad(fields):
    """Ad by the map id + t v at t = 0, by a difference, on smooth fields."""
    grid = (48, 40)
    v, w = fields.smooth(grid, 1.0, 6.0), fields.smooth(grid, 1.0, 6.0)
    step = 1e-2
    change = (qs.Ad(w, step * v, -step * v) - qs.Ad(w, -step * v, step * v)) / (2 * step)
    inside = (..., slice(2, -2), slice(2, -2))
    error = (change - qs.ad(v, w))[inside].norm() / qs.ad(v, w)[inside].norm()
    assert error < 0.05


def test_the_gradient_in_place(fields, grid, dtype):
    """As the adjoint integrator does: the direct part replaces the gradient."""
    momentum, grad = (fields.noise(grid, len(grid), dtype=dtype) for _ in range(2))
    u = fields.displacement(grid, 2.0, dtype=dtype)
    results = []
    for direct in (torch.empty_like(grad), grad):
        pulled, matrices = torch.empty_like(grad), fields.noise(grid, len(grid) ** 2, dtype=dtype)
        given = (momentum, u, grad, pulled, matrices, direct)
        faces = adjoint._core.Faces.one_sided
        adjoint._core.Ad_star_gradient(*map(_args.field, given), faces, _args.queue_of(u))
        results.append((pulled, matrices, direct))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
