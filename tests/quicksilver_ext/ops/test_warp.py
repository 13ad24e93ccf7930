"""warp and compose: the twin, gradients, and what interpolation must reproduce exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference
from quicksilver_ext.ops import warp as family
from tests.quicksilver_ext.operators import MODES, PADDINGS

LABEL_DTYPES = [
    getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
]


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_twin(fields, grid, dtype, agree, mode, padding_mode):
    image = fields.noise([n + 2 for n in grid], channels=4, dtype=dtype)
    displacement = fields.displacement(grid, 5.3, dtype=dtype)
    agree(
        lambda i, u: qs.warp(i, u, mode, padding_mode),
        lambda i, u: reference.warp(i, u, mode, padding_mode),
        image,
        displacement,
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 17])
def test_any_number_of_channels(fields, grid, agree, channels):
    agree(qs.warp, reference.warp, fields.noise(grid, channels), fields.displacement(grid, 2.3))


@pytest.mark.parametrize("length", [*range(2, 20), 31, 32, 33, 64, 65])
def test_rows_of_any_length(fields, dtype, agree, length):
    """Linear gathers take packets and blocks of neighbours; rows end anywhere inside one."""
    grid = [3, 2, length]
    agree(
        qs.warp,
        reference.warp,
        fields.noise(grid, 4, dtype=dtype),
        fields.displacement(grid, 2.3, dtype=dtype),
    )


def test_results_of_many_pages(fields, agree):
    grid = [96, 88, 97]
    agree(
        qs.warp,
        reference.warp,
        fields.noise(grid, dtype=torch.float32),
        fields.displacement(grid, 2.3, dtype=torch.float32),
    )


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_gradcheck(fields, small_grid, gradcheck, mode, padding_mode):
    image = fields.noise(small_grid, channels=2)
    displacement = fields.displacement(small_grid, 2.5)
    gradcheck(lambda i, u: qs.warp(i, u, mode, padding_mode), image, displacement)


@pytest.mark.parametrize("mode", MODES)
def test_integer_shifts_are_exact(fields, grid, dtype, mode):
    image = fields.noise(grid, dtype=dtype)
    shift = [2, -1, 3][: len(grid)]
    displacement = torch.zeros(2, len(grid), *grid, dtype=dtype, device=image.device)
    for axis, step in enumerate(shift):
        displacement[:, axis] = step
    warped = qs.warp(image, displacement, mode, "border")
    index = [torch.arange(n).add(step).clamp(0, n - 1) for n, step in zip(grid, shift, strict=True)]
    expected = image[(..., *torch.meshgrid(*index, indexing="ij"))]
    assert torch.equal(warped, expected)


@pytest.mark.parametrize(("mode", "degree"), [("linear", 1), ("cubic", 2)])
def test_reproduces_polynomials(fields, grid, close, mode, degree):
    """Linear interpolation is exact on degree 1 and Keys' cubic convolution on degree 2."""
    x = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in grid], indexing="ij")
    x = torch.stack(x)[None].to(fields.device)
    displacement = fields.displacement(grid, 0.9, batch=1)

    slopes = torch.tensor([1.0, -0.4, 0.7][: len(grid)]).reshape(-1, *[1] * len(grid)).to(x)

    def polynomial(p):
        return (0.3 + (slopes * p).sum(1, keepdim=True)) ** degree

    warped = qs.warp(polynomial(x), displacement, mode)
    interior = (..., *[slice(2, -2)] * len(grid))
    close(warped[interior], polynomial(x + displacement)[interior])


@pytest.mark.parametrize("mode", MODES)
def test_far_outside(fields, grid, dtype, mode):
    """Infinite, huge and undefined displacements read nothing outside the arrays."""
    image = fields.noise(grid, dtype=dtype)
    for value in (1e30, float("inf"), -1e30, -float("inf")):
        displacement = torch.full((2, len(grid), *grid), value, dtype=dtype, device=image.device)
        corner = image[(..., *[-1 if value > 0 else 0] * len(grid))]
        clamped = qs.warp(image, displacement, mode, "border").flatten(2)
        assert torch.equal(clamped, corner[..., None].expand_as(clamped))
        assert not qs.warp(image, displacement, mode, "zeros").any()
        for padding_mode in ("reflect", "wrap"):
            qs.warp(image, displacement, mode, padding_mode)
    undefined = torch.full((2, len(grid), *grid), float("nan"), dtype=dtype, device=image.device)
    for padding_mode in PADDINGS:
        qs.warp(image, undefined, mode, padding_mode)


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("label_dtype", LABEL_DTYPES, ids=str)
def test_labels_of_any_integer_type(fields, grid, label_dtype, padding_mode):
    """Nearest neighbour moves labels bit by bit: the extremes of every type survive."""
    limits = torch.iinfo(label_dtype)
    palette = torch.tensor([limits.min, limits.max, 1, 7, limits.max - 1], dtype=label_dtype)
    choice = torch.randint(5, (2, 1, *grid), generator=fields.generator)
    labels = palette.view(torch.uint8).reshape(5, -1)[choice].view(label_dtype)[..., 0]
    displacement = fields.displacement(grid, 4.3, dtype=torch.float32)
    warped = qs.warp(labels.to(fields.device), displacement, "nearest", padding_mode)
    expected = reference.warp(labels.to(fields.device), displacement, "nearest", padding_mode)
    assert warped.dtype == label_dtype
    assert torch.equal(warped.cpu().view(torch.uint8), expected.cpu().view(torch.uint8))


@pytest.mark.parametrize("mode", MODES)
def test_strided_inputs(fields, grid, mode):
    image = fields.noise(grid).transpose(2, 3)
    displacement = fields.displacement([grid[1], grid[0], *grid[2:]], 2.0)
    strided = displacement.flip(1).movedim(1, -1).contiguous().movedim(-1, 1)
    assert not image.is_contiguous()
    assert not strided.is_contiguous()
    expected = qs.warp(image.contiguous(), strided.contiguous(), mode)
    assert torch.equal(qs.warp(image, strided, mode), expected)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_identity_is_neutral(fields, grid, dtype, mode):
    displacement = fields.displacement(grid, 3.3, dtype=dtype)
    identity = torch.zeros_like(displacement)
    assert torch.equal(qs.compose(displacement, identity, mode), displacement)
    assert torch.equal(qs.compose(identity, displacement, mode), displacement)


@pytest.mark.parametrize("mode", MODES)
def test_whole_periods_change_nothing(fields, grid, close, mode):
    image, displacement = fields.noise(grid), fields.displacement(grid, 3.3)
    for padding_mode, shorter in (("wrap", 0), ("reflect", 2)):
        turns = torch.tensor([-3.0, 2.0, 1.0][: len(grid)])
        periods = torch.tensor([(2 * n - 2) if shorter else n for n in grid]) * turns
        further = displacement + periods.reshape(-1, *[1] * len(grid)).to(displacement)
        found = qs.warp(image, further, mode, padding_mode)
        close(found, qs.warp(image, displacement, mode, padding_mode))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_reflect_is_that_of_grid_sample(fields, grid, close, mode):
    image, displacement = fields.noise(grid), fields.displacement(grid, 9.3)
    index = torch.meshgrid(*[torch.arange(n) for n in grid], indexing="ij")
    last = torch.tensor([n - 1 for n in grid]).reshape(-1, *[1] * len(grid)).to(displacement)
    position = 2 * (torch.stack(index).to(displacement) + displacement) / last - 1
    sampled = torch.nn.functional.grid_sample(
        image,
        position.movedim(1, -1).flip(-1),
        {"linear": "bilinear"}.get(mode, mode),
        "reflection",
        align_corners=True,
    )
    close(qs.warp(image, displacement, mode, "reflect"), sampled)


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batches", [(1, 3), (3, 1)])
def test_a_batch_of_one_serves_all(fields, grid, agree, mode, padding_mode, batches):
    """Forward, and the sums over the batch backward; whether it is one entry or one expanded."""
    image = fields.noise(grid, 4, batch=batches[0])
    displacement = fields.displacement(grid, 3.3, batch=batches[1])
    agree(
        lambda i, u: qs.warp(i, u, mode, padding_mode),
        lambda i, u: reference.warp(i, u, mode, padding_mode),
        image,
        displacement,
    )
    expanded = [t.expand(3, *t.shape[1:]) for t in (image, displacement)]
    found = qs.warp(*expanded, mode, padding_mode)
    assert torch.equal(found, qs.warp(image, displacement, mode, padding_mode))


def test_expanded_gradients(fields, grid, close):
    image = fields.noise(grid, 4).requires_grad_()
    displacement = fields.displacement(grid, 2.3).requires_grad_()
    expected = torch.autograd.grad(reference.warp(image, displacement).sum(), (image, displacement))
    found = torch.autograd.grad(qs.warp(image, displacement).sum(), (image, displacement))
    for a, b in zip(found, expected, strict=True):
        close(a, b)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", MODES)
def test_half_precision_images(fields, grid, half, mode):
    """The maths is that of float32; the result is rounded once."""
    image = fields.noise(grid, dtype=half).requires_grad_()
    displacement = fields.displacement(grid, 3.3, dtype=torch.float32).requires_grad_()
    warped = qs.warp(image, displacement, mode)
    assert warped.dtype == half
    assert torch.equal(warped, qs.warp(image.float(), displacement, mode).to(half))
    warped.float().sum().backward()
    assert image.grad.dtype == half
    assert displacement.grad.dtype == torch.float32


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_second_order(fields, sums_are_ordered, mode, padding_mode):
    for grid, channels, batches in (((5, 6), 2, (2, 1)), ((4, 5, 4), 1, (1, 1))):
        image = fields.noise(grid, channels, batch=batches[0]).requires_grad_()
        displacement = fields.displacement(grid, 1.7, batch=batches[1]).requires_grad_()
        assert torch.autograd.gradgradcheck(
            lambda i, u: qs.warp(i, u, mode, padding_mode),
            (image, displacement),
            nondet_tol=0.0 if sums_are_ordered else 1e-10,
        )


def test_unneeded_gradients_are_not_computed(fields, grid, monkeypatch):
    """No scatter without a gradient by the image, no slopes without one by the displacement."""
    calls = []
    for name in ("splat", "warp_displacement_gradient"):
        original = getattr(family._core, name)
        monkeypatch.setattr(
            family._core, name, lambda *a, o=original, n=name: (calls.append(n), o(*a))[1]
        )
    image, displacement = fields.noise(grid), fields.displacement(grid, 2.3)
    qs.warp(image.clone().requires_grad_(), displacement).sum().backward()
    assert calls == ["splat"]
    qs.warp(image, displacement.clone().requires_grad_()).sum().backward()
    assert calls == ["splat", "warp_displacement_gradient"]


def test_same_result_every_time(fields, grid, device):
    if device.type != "cpu":
        pytest.skip("only the CPU promises it")
    image, displacement = fields.noise(grid), fields.displacement(grid, 3.3)
    assert torch.equal(qs.warp(image, displacement), qs.warp(image, displacement))


@pytest.mark.parametrize("padding_mode", ["border", "zeros", "reflect", "wrap"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("shape", [(1, 7), (6, 1, 5), (1, 1, 1)])
def test_axes_of_one_sample(fields, shape, mode, padding_mode, close):
    """The image continued by its padding: constant, or among zeros."""
    image = fields.noise(shape)
    displacement = fields.displacement((4, 5, 6)[: len(shape)], 2.5)
    found = qs.warp(image, displacement, mode, padding_mode)
    pads = [(0, 0 if n > 1 else 9) for n in shape]
    wide = np.pad(
        image.cpu().numpy(),
        [(0, 0), (0, 0), *pads],
        "constant" if padding_mode == "zeros" else "edge",
    )
    wide = torch.from_numpy(wide).to(image)
    close(found, qs.warp(wide, displacement, mode, padding_mode))
    assert torch.autograd.gradcheck(
        lambda i, u: qs.warp(i, u, mode, padding_mode),
        (image[:1, :1].clone().requires_grad_(), displacement[:1].clone().requires_grad_()),
    )


def test_fields_of_one_slice(fields, close):
    """compose and resize along an axis of one sample."""
    outer, inner = fields.displacement((5, 6, 1), 1.3), fields.displacement((5, 6, 1), 0.7)
    close(qs.compose(outer, inner), inner + qs.warp(outer, inner))
    assert qs.resize(outer, (5, 6, 3)).allclose(outer.expand(-1, -1, -1, -1, 3))


def test_more_rows_than_a_launch_has_blocks_for():
    """A launch on CUDA has at most 65535 blocks, of 8 rows each, along its second axis."""
    image = torch.arange(2.0 * 524300).reshape(1, 1, 1, -1, 2)
    still = torch.zeros(1, 3, 1, 524300, 2)
    assert torch.equal(qs.warp(image, still, "nearest"), image)
