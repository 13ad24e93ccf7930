"""splat: the twin, and that it is the transpose of warp."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference
from quicksilver_ext.ops.splat import splat_in_fixed_point

PADDINGS = ["border", "zeros", "reflect", "wrap"]
CASES = pytest.mark.parametrize(
    ("mode", "padding_mode"),
    [(mode, padding) for mode in ("linear", "cubic", "nearest") for padding in PADDINGS],
)


@CASES
def test_twin(fields, grid, dtype, agree, mode, padding_mode):
    shape = [n + 2 for n in grid]
    agree(
        lambda v, u: qs.splat(v, u, shape, mode, padding_mode),
        lambda v, u: reference.splat(v, u, shape, mode, padding_mode),
        fields.noise(grid, channels=4, dtype=dtype),
        fields.displacement(grid, 5.3, dtype=dtype),
    )


@CASES
def test_fixed_point(fields, grid, dtype, close, mode, padding_mode):
    """Rounded to 2^-61 of the largest possible sum: here far below the rounding of float32."""
    values = fields.noise(grid, channels=4, dtype=dtype)
    displacement = fields.displacement(grid, 5.3, dtype=dtype)
    shape = [n + 2 for n in grid]
    found = splat_in_fixed_point(values, displacement, shape, 2, mode, padding_mode)
    close(found, qs.splat(values, displacement, shape, mode, padding_mode))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_fixed_point_of_any_scale(fields, grid, close, scale):
    values, displacement = fields.noise(grid), fields.displacement(grid, 2.3)
    values[0, 0] *= scale
    found = splat_in_fixed_point(values * scale, displacement, grid, 2, "linear", "border")
    close(found, qs.splat(values * scale, displacement, grid))


def test_everything_lands_in_one_voxel(fields, grid, close):
    """The largest sum: it must not overflow."""
    values, displacement = fields.noise(grid).abs() + 1, fields.displacement(grid, 1) - 100
    found = splat_in_fixed_point(values, displacement, grid, 2, "linear", "border")
    close(found[(..., *[0] * len(grid))], values.flatten(2).sum(2))


def test_fixed_point_of_what_is_not_finite(fields, grid):
    values = fields.noise(grid)
    values.view(-1)[5] = torch.nan
    displacement = fields.displacement(grid, 1)
    assert splat_in_fixed_point(values, displacement, grid, 2, "linear", "border").isnan().all()


def test_deterministic_algorithms_are_reproducible_on_cuda(fields, grid):
    values, displacement = fields.noise([64] * 3), fields.displacement([64] * 3, 9.0)
    if not values.is_cuda:
        pytest.skip("the CPU's sums are reproducible anyway")
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (qs.splat(values, displacement) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first, second)


@CASES
def test_is_the_transpose_of_warp(fields, grid, dtype, mode, padding_mode):
    """<warp(I, u), v> = <I, splat(v, u)> up to rounding of the two sums."""
    shape = [n + 3 for n in grid]
    image = fields.noise(shape, dtype=dtype)
    values = fields.noise(grid, dtype=dtype)
    displacement = fields.displacement(grid, 5.3, dtype=dtype)
    warped = qs.warp(image, displacement, mode, padding_mode)
    splatted = qs.splat(values, displacement, shape, mode, padding_mode)
    left = (warped.double() * values.double()).sum()
    right = (image.double() * splatted.double()).sum()
    scale = warped.double().norm() * values.double().norm()
    assert abs(left - right) <= 4 * torch.finfo(dtype).eps * scale


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_gradcheck(fields, small_grid, gradcheck, mode, padding_mode):
    shape = [n + 1 for n in small_grid]
    values = fields.noise(small_grid, channels=2)
    displacement = fields.displacement(small_grid, 2.5)
    gradcheck(lambda v, u: qs.splat(v, u, shape, mode, padding_mode), values, displacement)


@pytest.mark.parametrize("mode", ["linear", "cubic", "nearest"])
def test_mass_is_kept(fields, grid, close, mode):
    """Every sample's weights sum to one, wherever it lands; with zeros what leaves is lost."""
    values = fields.noise(grid).abs()
    displacement = fields.displacement(grid, 20.3)
    for padding_mode in ("border", "reflect", "wrap"):
        splatted = qs.splat(values, displacement, mode=mode, padding_mode=padding_mode)
        close(splatted.sum(), values.sum())
    assert qs.splat(values, displacement, mode=mode, padding_mode="zeros").sum() < values.sum()


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("batches", [(1, 3), (3, 1)])
def test_a_batch_of_one_serves_all(fields, grid, agree, padding_mode, batches):
    agree(
        lambda v, u: qs.splat(v, u, None, "linear", padding_mode),
        lambda v, u: reference.splat(v, u, None, "linear", padding_mode),
        fields.noise(grid, 4, batch=batches[0]),
        fields.displacement(grid, 3.3, batch=batches[1]),
    )


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_second_order(fields, sums_are_ordered, mode):
    values = fields.noise((5, 6), 2, batch=1).requires_grad_()
    displacement = fields.displacement((5, 6), 1.7).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda v, u: qs.splat(v, u, (6, 4), mode, "zeros"),
        (values, displacement),
        nondet_tol=0.0 if sums_are_ordered else 1e-10,
    )


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_count(fields, grid, dtype, agree, mode, padding_mode):
    agree(
        lambda u: qs.splat_count(u, None, mode, padding_mode),
        lambda u: reference.splat_count(u, None, mode, padding_mode),
        fields.displacement(grid, 4.3, dtype=dtype),
    )


def test_count_makes_means(fields, grid, close):
    """A constant stays constant wherever anything lands."""
    displacement = fields.displacement(grid, 3.3)
    constant = torch.full((2, 1, *grid), 2.5, dtype=torch.float64, device=fields.device)
    count = qs.splat_count(displacement)
    landed = count > 1e-6
    mean = qs.splat(constant, displacement)[landed] / count[landed]
    close(mean, torch.full_like(mean, 2.5))


def test_identity_and_default_shape(fields, grid, dtype):
    values = fields.noise(grid, dtype=dtype)
    assert torch.equal(qs.splat(values, torch.zeros_like(values[:, : len(grid)])), values)


def test_strided_inputs(fields, grid, close):
    values = fields.noise(grid).transpose(2, 3)
    displacement = fields.displacement([grid[1], grid[0], *grid[2:]], 2.0)
    expected = qs.splat(values.contiguous(), displacement)
    strided = displacement.movedim(1, -1).contiguous().movedim(-1, 1)
    close(qs.splat(values, strided), expected)


def test_same_result_every_time(fields, grid, sums_are_ordered):
    if not sums_are_ordered:
        pytest.skip("atomics add in any order")
    values, displacement = fields.noise(grid, batch=5), fields.displacement(grid, 3.3, batch=5)
    first = qs.splat(values, displacement)
    assert all(torch.equal(qs.splat(values, displacement), first) for _ in range(3))


def test_a_sum_over_the_batch_under_vmap(fields, grid, close):
    """One sum for each mapped entry, as warp's backward pass needs if one image serves a batch."""
    values = torch.stack([fields.noise(grid) for _ in range(3)])
    displacement = fields.displacement(grid, 2.3)
    how = (list(grid), 1, "linear", "border")
    call = torch.ops.quicksilver.splat
    found = torch.vmap(lambda v: call(v, displacement, *how))(values)
    close(found, torch.stack([call(v, displacement, *how) for v in values]))


def test_a_batch_of_none_in_fixed_point():
    """As CUDA sums under torch.use_deterministic_algorithms."""
    none = torch.zeros(0, 2, 4, 5)
    assert splat_in_fixed_point(none, none, (4, 5), 0, "linear", "border").shape == none.shape
