"""exponential: the twin, its inverse, and flows that are known."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference


@pytest.mark.parametrize("padding_mode", ["border", "zeros"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("inverse", [False, True])
def test_twin(fields, grid, dtype, agree, inverse, mode, padding_mode):
    options = (4, inverse, mode, padding_mode)
    agree(
        lambda v: qs.exponential(v, *options),
        lambda v: reference.exponential(v, *options),
        fields.displacement(grid, 3.3, dtype=dtype),
    )


def test_gradcheck(fields, small_grid, gradcheck):
    gradcheck(lambda v: qs.exponential(v, 3), fields.displacement(small_grid, 1.3, batch=1))


def test_no_squaring_is_the_velocity(fields, grid):
    velocity = fields.displacement(grid, 2.3)
    assert torch.equal(qs.exponential(velocity, 0), velocity)
    assert torch.equal(qs.exponential(velocity, 0, inverse=True), -velocity)


def test_forth_and_back(fields):
    velocity = fields.smooth((40, 48), 4.0, 5.0)
    there, back = qs.exponential(velocity), qs.exponential(velocity, inverse=True)
    inside = (..., slice(6, -6), slice(6, -6))
    assert qs.compose(there, back)[inside].abs().max() < 0.1
    assert qs.jacobian_determinant(there).min() > 0


def test_a_linear_velocity_flows_by_the_matrix_exponential(fields):
    """exp(v) x = c + expm(A) (x - c) for v = A (x - c): linear interpolation is exact on it, the
    scaling is not.
    """
    grid = (17, 15)
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )
    centre = torch.tensor([8.0, 7.0], dtype=torch.float64).reshape(2, 1, 1)
    matrix = torch.tensor(
        [[-0.4, -0.2], [0.2, -0.3]], dtype=torch.float64
    )  # inwards: stays on the grid
    velocity = torch.einsum("ca,a...->c...", matrix, x - centre)[None]
    expected = centre + torch.einsum("ca,a...->c...", torch.matrix_exp(matrix), x - centre) - x
    errors = [
        (qs.exponential(velocity.to(fields.device), n).cpu() - expected).abs().max().item()
        for n in (6, 8, 10)
    ]
    assert errors[0] < 0.02
    assert 3 < errors[0] / errors[1] < 5
    assert 3 < errors[1] / errors[2] < 5
