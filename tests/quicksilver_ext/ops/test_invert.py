"""invert: the twin step for step, known inverses, the residual, the implicit gradient."""

from __future__ import annotations

import itertools

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference


@pytest.mark.parametrize(("iterations", "tolerance"), [(1, 0.0), (3, 0.0), (10, 0.05)])
def test_twin(fields, grid, dtype, close, iterations, tolerance):
    """Iterate for iterate, each voxel stopping on its own."""
    displacement = fields.smooth(grid, 2.0, 2.5, batch=2).to(dtype)
    found = qs.invert(displacement, iterations, tolerance)
    expected = reference.invert(displacement, iterations, tolerance)
    allowed = 1e-10 if dtype == torch.float64 else 1e-4
    close(found[0], expected[0], allowed)
    assert (found[1] - expected[1]).abs().max() <= allowed


def test_residual_is_that_of_the_result(fields, grid, dtype, close):
    displacement = fields.smooth(grid, 2.0, 2.0, batch=2).to(dtype)
    inverse, residual = qs.invert(displacement, 2, 0.0)
    assert residual.shape == (2, 1, *grid)
    expected = qs.compose(displacement, inverse).norm(dim=1, keepdim=True)
    assert (residual - expected).abs().max() <= 8 * torch.finfo(dtype).eps * 4


def test_converges(fields, dtype, close):
    """A strong smooth field is inverted to the tolerance asked for, and from both sides."""
    displacement = fields.smooth((24, 20, 28), 3.0, 5.0).to(dtype)
    assert qs.jacobian_determinant(displacement).min() > 0.1
    inverse, residual = qs.invert(displacement, 20, 1e-4)
    assert residual.max() < 1e-4
    assert qs.compose(displacement, inverse).norm(dim=1).max() < 1.1e-4
    inside = (..., *[slice(4, -4)] * 3)
    assert qs.compose(inverse, displacement)[inside].norm(dim=1).max() < 0.1


def test_stops_when_asked(fields, close):
    """A loose tolerance returns an iterate that meets it, not one of the last iterates."""
    displacement = fields.smooth((16, 18), 1.5, 3.0)
    loose = qs.invert(displacement, 50, 0.1)
    tight = qs.invert(displacement, 50, 1e-12)
    assert 1e-6 < loose[1].max() < 0.1
    assert tight[1].max() < 1e-12


@pytest.fixture
def uneven(fields, grid, dtype):
    """A map that nowhere folds, its steps along each axis between 0.03 and 1.03 before scaling."""
    axes = []
    for axis, size in enumerate(grid):
        generator = torch.Generator().manual_seed(axis + 2)
        steps = 0.03 + torch.rand(size - 1, generator=generator, dtype=torch.float64) ** 3
        places = torch.cat([torch.zeros(1, dtype=torch.float64), steps.cumsum(0)])
        axes.append(places * (size - 1) / places[-1] - torch.arange(size))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].to(fields.device, dtype)


def test_halves_steps_that_leap_away(uneven, dtype, close):
    """Whole steps never come to rest here: their residual is of several voxels after any number."""
    assert qs.jacobian_determinant(uneven).min() > 0
    inverse, residual = qs.invert(uneven, 100, 1e-4)
    assert residual.max() < 1e-4
    expected = reference.invert(uneven.double(), 100, 1e-12)[0]
    close(inverse, expected.to(dtype), 0.02)
    found, twin = (module.invert(uneven, 7, 0.0)[0] for module in (qs, reference))
    assert ((found - twin).abs() > 1e-4).double().mean() < 0.06  # steps that end on a sample


def test_keeps_the_best_of_its_steps(uneven):
    """More steps never leave a larger residual, at any voxel."""
    residuals = [qs.invert(uneven, steps, 0.0)[1] for steps in range(1, 12)]
    for fewer, more in itertools.pairwise(residuals):
        assert (more <= fewer).all()


def test_translation_and_scaling(fields, grid, close):
    x = torch.stack(
        torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    )[None].to(fields.device)
    shift = torch.full_like(x, 0.75)
    close(qs.invert(shift)[0], -shift)
    centre = torch.tensor([(n - 1) / 2 for n in grid]).reshape(-1, *[1] * len(grid)).to(x)
    inverse = qs.invert(-0.25 * (x - centre), 20, 1e-12)[0]
    expected = (x - centre) / 3
    landing = x + expected
    last = 2 * centre
    inside = ((landing >= 0) & (landing <= last)).all(1)
    assert inside.any()
    assert not inside.all()
    close(inverse.movedim(1, -1)[inside], expected.movedim(1, -1)[inside])


def test_gradient_twin(fields, grid, agree):
    displacement = fields.smooth(grid, 1.5, 2.5, batch=2)
    agree(
        lambda u: qs.invert(u, 30, 1e-13)[0],
        lambda u: reference.invert(u, 30, 1e-13)[0],
        displacement,
        tolerance=1e-9,
    )


def test_gradcheck(fields, small_grid, gradcheck):
    displacement = fields.smooth(small_grid, 0.7, 1.0)
    gradcheck(lambda u: qs.invert(u, 30, 1e-13)[0], displacement)
