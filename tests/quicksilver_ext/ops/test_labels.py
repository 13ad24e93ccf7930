"""warp_labels: the label with the largest linear weight, of any integer type."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference

PADDINGS = ["border", "zeros", "reflect", "wrap"]
DTYPES = [getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]


def random_labels(fields, grid, batch=2, channels=2):
    return torch.randint(5, (batch, channels, *grid), generator=fields.generator).to(fields.device)


@pytest.mark.parametrize("padding_mode", PADDINGS)
def test_twin(fields, grid, padding_mode):
    """Noise of five labels: most voxels have three or more around."""
    labels = random_labels(fields, [n + 2 for n in grid])
    displacement = fields.displacement(grid, 4.3)
    found = qs.warp_labels(labels, displacement, padding_mode)
    assert torch.equal(found, reference.warp_labels(labels, displacement, padding_mode))
    assert not torch.equal(found, qs.warp(labels, displacement, "nearest", padding_mode))


@pytest.mark.parametrize("padding_mode", PADDINGS)
def test_twin_of_regions(fields, grid, padding_mode):
    """Most voxels have one label around; of some beyond the faces less than half is inside."""
    labels = 1 + random_labels(fields, [n // 3 + 1 for n in grid])
    for axis in range(2, labels.ndim):
        labels = labels.repeat_interleave(4, axis)
    displacement = fields.displacement(grid, 2.3)
    found = qs.warp_labels(labels, displacement, padding_mode)
    assert torch.equal(found, reference.warp_labels(labels, displacement, padding_mode))
    assert (found == 0).any() == (padding_mode == "zeros")


@pytest.mark.parametrize("dtype", [*DTYPES, torch.bool], ids=str)
def test_the_extremes_of_every_type_survive(fields, grid, dtype):
    low, high = (0, 1) if dtype == torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    palette = torch.tensor([low, high, 1], dtype=dtype, device=fields.device)
    index = random_labels(fields, grid) % 3
    labels = palette.view(torch.uint8).reshape(3, -1)[index].view(dtype)[..., 0]
    displacement = fields.displacement(grid, 3.3, dtype=torch.float32)
    found = qs.warp_labels(labels, displacement)
    by_index = qs.warp_labels(index, displacement) if dtype != torch.bool else None
    assert found.dtype == dtype
    if by_index is not None:
        expected = palette.view(torch.uint8).reshape(3, -1)[by_index].view(dtype)[..., 0]
        assert torch.equal(found.cpu().view(torch.uint8), expected.cpu().view(torch.uint8))


def test_a_majority_wins_against_the_nearest(fields):
    """Three corners of weight 0.2 each against one of 0.4."""
    labels = torch.full((1, 1, 2, 2), 7, device=fields.device)
    labels[0, 0, 0, 0] = 3
    u = torch.full((1, 2, 1, 1), 0.3675, device=fields.device)
    assert qs.warp(labels, u, "nearest").item() == 3
    assert qs.warp_labels(labels, u).item() == 7


def test_outside_zeros_are_label_zero(fields, grid):
    labels = random_labels(fields, grid) + 1
    for share, expected in ((0.4, labels), (0.6, torch.zeros_like(labels))):
        u = torch.zeros(1, len(grid), *grid, device=fields.device)
        u[:, 0] = share
        last = (..., -1, slice(None)) if len(grid) == 2 else (..., -1, slice(None), slice(None))
        assert torch.equal(qs.warp_labels(labels, u, "zeros")[last], expected[last])


def test_batches_and_strides(fields, grid):
    labels = random_labels(fields, grid, batch=1).transpose(2, 3)
    displacement = fields.displacement(labels.shape[2:], 2.3, batch=3)
    each = [qs.warp_labels(labels.contiguous(), u[None]) for u in displacement]
    assert torch.equal(qs.warp_labels(labels, displacement), torch.cat(each))
