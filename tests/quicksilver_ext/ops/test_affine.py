"""affine, resize and resize_displacement: the twins, torch's interpolate, known maps."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import quicksilver_ext as qs
from quicksilver_ext import reference

LINEAR = {2: "bilinear", 3: "trilinear"}


def matrices(fields, dims, batch=2, scale=0.1):
    noise = fields.noise((dims + 1,), dims, batch)
    return scale * noise + torch.eye(dims, dims + 1, dtype=noise.dtype, device=noise.device)


def test_twin(fields, grid, agree):
    matrix = matrices(fields, len(grid))
    agree(lambda m: qs.affine(m, grid), lambda m: reference.affine(m, grid), matrix)


@pytest.mark.parametrize("batches", [(2, 2), (1, 3), (3, 1)])
def test_twin_after_a_displacement(fields, grid, agree, batches):
    agree(
        lambda m, u: qs.affine(m, displacement=u),
        lambda m, u: reference.affine(m, displacement=u),
        matrices(fields, len(grid), batches[0]),
        fields.displacement(grid, 2.3, batches[1]),
    )


def test_gradcheck(fields, small_grid, gradcheck):
    matrix = matrices(fields, len(small_grid), 1)
    gradcheck(lambda m: qs.affine(m, small_grid), matrix)
    displacement = fields.displacement(small_grid, 1.3, 2)
    gradcheck(lambda m, u: qs.affine(m, displacement=u), matrix, displacement)


def test_the_identity_is_nothing(fields, grid):
    eye = matrices(fields, len(grid), 1, 0.0)
    assert not qs.affine(eye, grid).any()
    displacement = fields.displacement(grid, 2.3)
    assert torch.equal(qs.affine(eye, displacement=displacement), displacement)


def test_composition_of_affine_maps(fields, grid, close):
    """A after B is the displacement of the product."""
    a, b = matrices(fields, len(grid), 2, 0.05).split(1)
    last = torch.zeros(1, 1, len(grid) + 1, dtype=a.dtype, device=a.device)
    last[..., -1] = 1
    product = (torch.cat([a, last], 1) @ torch.cat([b, last], 1))[:, :-1]
    close(qs.affine(a, displacement=qs.affine(b, grid)), qs.affine(product, grid))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("factor", [0.6, 1.7])
def test_linear_is_interpolate(fields, grid, dtype, agree, factor, align_corners):
    shape = [int(factor * n) + 1 for n in grid]
    agree(
        lambda i: qs.resize(i, shape, align_corners=align_corners),
        lambda i: F.interpolate(i, shape, mode=LINEAR[len(grid)], align_corners=align_corners),
        fields.noise(grid, dtype=dtype),
        tolerance={torch.float32: 3e-5, torch.float64: 1e-12}[dtype],
    )


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_resize_twins(fields, grid, agree, mode, align_corners):
    shape = [n + 3 for n in grid]
    for name in ("resize", "resize_displacement"):
        agree(
            lambda f, name=name: getattr(qs, name)(f, shape, mode, align_corners),
            lambda f, name=name: getattr(reference, name)(f, shape, mode, align_corners),
            fields.noise(grid, len(grid)),
        )


def test_labels_of_any_size(fields, grid):
    """Thrice as fine by the nearest sample is every label three times."""
    labels = torch.randint(9, (2, 1, *grid), generator=fields.generator).to(fields.device)
    expected = labels
    for axis in range(2, labels.ndim):
        expected = expected.repeat_interleave(3, axis)
    assert torch.equal(qs.resize(labels, [3 * n for n in grid], "nearest"), expected)


def test_a_resized_map_is_the_same_map(fields, close):
    """x -> A x, taken to a grid twice as fine, moves the same voxels to the same places."""
    matrix = torch.tensor([[[1.1, 0.2, 1.0], [-0.1, 0.9, 0.5]]], dtype=torch.float64)
    fine = qs.resize_displacement(qs.affine(matrix, (6, 8)), (11, 15), align_corners=True)
    doubled = matrix.clone()
    doubled[..., -1] *= 2
    close(fine, qs.affine(doubled, (11, 15)))
