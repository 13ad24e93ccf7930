"""jacobian_determinant and smallest_determinant: the twins, affine maps, rules on the faces."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference

FACES = pytest.mark.parametrize("faces", ["one_sided", "half"])


@FACES
def test_twin(fields, grid, dtype, agree, faces):
    agree(
        lambda u: qs.jacobian_determinant(u, faces),
        lambda u: reference.jacobian_determinant(u, faces),
        fields.displacement(grid, 2.3, dtype=dtype),
    )


@FACES
@pytest.mark.parametrize("shape", [(1, 5), (2, 2), (6, 1), (1, 4, 5), (3, 1, 2), (4, 5, 1)])
def test_thin_grids(fields, agree, faces, shape):
    agree(
        lambda u: qs.jacobian_determinant(u, faces),
        lambda u: reference.jacobian_determinant(u, faces),
        fields.displacement(shape, 2.3),
    )


@FACES
def test_gradcheck(fields, small_grid, gradcheck, faces):
    gradcheck(lambda u: qs.jacobian_determinant(u, faces), fields.displacement(small_grid, 1.3))


def test_affine_map(fields, grid, close):
    """det(A) everywhere, faces included; with half differences a face has half of it."""
    dimension = len(grid)
    matrix = (
        torch.eye(dimension, dtype=torch.float64)
        + 0.2 * fields.noise((dimension,), dimension, batch=1)[0].cpu()
    )
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )
    displacement = torch.einsum("ca,a...->c...", matrix, x)[None] - x
    displacement = displacement.to(fields.device)
    expected = torch.full((1, 1, *grid), torch.linalg.det(matrix).item(), dtype=torch.float64)
    expected = expected.to(fields.device)
    close(qs.jacobian_determinant(displacement), expected)
    interior = (..., *[slice(1, -1)] * dimension)
    halved = qs.jacobian_determinant(displacement, "half")
    close(halved[interior], expected[interior])
    face = (..., 0, *[slice(1, -1)] * (dimension - 1))
    close(2 * halved[face], expected[face])


def test_identity_is_exactly_one(fields, grid, dtype):
    zero = torch.zeros(2, len(grid), *grid, dtype=dtype, device=fields.device)
    assert torch.equal(qs.jacobian_determinant(zero), torch.ones_like(zero[:, :1]))


def test_strided_input(fields, grid):
    displacement = fields.displacement(grid, 1.3)
    strided = displacement.movedim(1, -1).contiguous().movedim(-1, 1)
    for operator in (qs.jacobian_determinant, qs.smallest_determinant):
        assert torch.equal(operator(strided), operator(displacement))


def test_smallest_twin(fields, grid, dtype, close):
    displacement = fields.displacement(grid, 2.3, dtype=dtype)
    found = qs.smallest_determinant(displacement)
    expected = reference.smallest_determinant(displacement)
    assert (expected < 0).any()
    close(found, expected, 1e-4 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("shape", [(1, 5), (2, 2), (1, 1), (1, 4, 5), (3, 1, 2), (4, 5, 1)])
def test_smallest_on_thin_grids(fields, close, shape):
    displacement = fields.displacement(shape, 2.3)
    expected = reference.smallest_determinant(displacement)
    close(qs.smallest_determinant(displacement), expected, 1e-12)


def test_smallest_of_a_stretch(fields, close):
    """Of a diagonal map all determinants at the corners are its own, and twice that in middles."""
    grid = (4, 5, 6)
    factors = torch.tensor([0.5, 1.5, 0.8], dtype=torch.float64, device=fields.device)
    displacement = fields.displacement(grid, 0)
    for axis, n in enumerate(grid):
        line = (factors[axis] - 1) * torch.arange(n, device=fields.device)
        displacement[:, axis] = line.reshape([-1 if a == axis else 1 for a in range(3)])
    close(qs.smallest_determinant(displacement), torch.full_like(displacement[:, :1], 0.6))


def test_smallest_has_no_gradient(fields, grid):
    displacement = fields.displacement(grid, 1.3).requires_grad_()
    with pytest.raises(RuntimeError, match="smallest_determinant"):
        qs.smallest_determinant(displacement).sum().backward()
