"""gradient, divergence and jacobian: the twins, transposes, exactly reproduced differences."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference

FACES = pytest.mark.parametrize("faces", ["one_sided", "half"])
OPERATORS = pytest.mark.parametrize("name", ["gradient", "divergence", "jacobian"])


@FACES
@OPERATORS
def test_twin(fields, grid, dtype, agree, name, faces):
    agree(
        lambda v: getattr(qs, name)(v, faces),
        lambda v: getattr(reference, name)(v, faces),
        fields.noise(grid, len(grid), dtype=dtype),
    )


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_any_number_of_channels(fields, grid, agree, channels):
    agree(qs.gradient, reference.gradient, fields.noise(grid, channels))


@OPERATORS
def test_gradcheck_of_both_orders(fields, small_grid, gradcheck, name):
    field = fields.noise(small_grid, len(small_grid), batch=1)
    gradcheck(getattr(qs, name), field)
    leaf = field.requires_grad_()
    assert torch.autograd.gradgradcheck(getattr(qs, name), leaf)


@FACES
@OPERATORS
def test_backward_is_the_transpose(fields, grid, name, faces):
    field = fields.noise(grid, len(grid)).requires_grad_()
    result = getattr(qs, name)(field, faces)
    zero = getattr(qs, name)(torch.zeros_like(field), faces)  # the Jacobian of the identity
    other = torch.randn_like(result)
    (transposed,) = torch.autograd.grad((result * other).sum(), field)
    left, right = ((result - zero) * other).sum(), (field * transposed).sum()
    assert abs(left - right) <= 1e-12 * result.norm() * other.norm()


def test_linear_fields_are_exact(fields, grid, close):
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )
    matrix = fields.noise((len(grid),), len(grid), batch=1)[0].cpu()
    field = torch.einsum("ca,a...->c...", matrix, x)[None].to(fields.device)
    everywhere = matrix.reshape(1, *matrix.shape, *[1] * len(grid)).expand(-1, -1, -1, *grid)
    everywhere = everywhere.to(fields.device)
    close(qs.gradient(field), everywhere.contiguous())
    trace = everywhere.diagonal(dim1=1, dim2=2).sum(-1)[:, None]
    close(qs.divergence(field), trace.contiguous())


def test_the_divergence_is_the_trace_of_the_gradient(fields, grid, close):
    field = fields.noise(grid, len(grid))
    close(qs.divergence(field), qs.gradient(field).diagonal(dim1=1, dim2=2).sum(-1)[:, None])


def test_the_determinant_is_that_of_the_jacobian(fields, grid, close):
    displacement = fields.displacement(grid, 0.7)
    matrices = qs.jacobian(displacement).movedim((1, 2), (-2, -1))
    close(qs.jacobian_determinant(displacement)[:, 0], torch.linalg.det(matrices))


def test_single_samples_do_not_change(fields):
    field = fields.noise((1, 6), 2)
    assert not qs.gradient(field)[:, :, 0].any()
    assert (qs.jacobian(field)[:, 0, 0] == 1).all()
