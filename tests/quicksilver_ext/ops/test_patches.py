"""patch_corners, extract_patches, average_patches: the twin and the way there and back."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference
from quicksilver_ext.ops.patches import add_patches_in_fixed_point


def with_batch(corners: torch.Tensor, batch: int) -> torch.Tensor:
    """All corners in every image of a batch: (batch N, 1 + D)."""
    index = torch.arange(batch).repeat_interleave(len(corners))[:, None]
    return torch.cat([index, corners.repeat(batch, 1)], dim=1)


@pytest.mark.parametrize(
    ("n", "size", "stride", "first"),
    [
        (15, 15, 14, [0]),
        (16, 15, 14, [0, 1]),
        (29, 15, 14, [0, 14]),
        (30, 15, 14, [0, 14, 15]),
        (9, 4, 2, [0, 2, 4, 5]),
        (5, 1, 2, [0, 2, 4]),
    ],
)
def test_corners_of_an_axis(n, size, stride, first):
    """Steps of the stride, then one patch flush with the border, never the same one twice."""
    corners = qs.patch_corners((n, size), size, stride)
    assert corners.dtype == torch.int64
    assert corners.tolist() == [[x, 0] for x in first]
    assert torch.equal(corners, reference.patch_corners((n, size), size, stride))


@pytest.mark.parametrize(("size", "stride"), [(4, 3), (5, 2), (3, 3), (1, 1)])
def test_corners_cover(grid, size, stride):
    corners = qs.patch_corners(grid, size, stride)
    assert torch.equal(corners, reference.patch_corners(grid, size, stride))
    ones = torch.ones(len(corners), 1, *[size] * len(grid))
    assert qs.average_patches(ones, with_batch(corners, 1), grid).eq(1).all()


def test_adding_in_fixed_point(fields, grid, dtype, close):
    corners = with_batch(qs.patch_corners(grid, 4, 3), 2).to(fields.device)
    patches = fields.noise([4] * len(grid), batch=len(corners), dtype=dtype)
    added = torch.ops.quicksilver.add_patches(patches, corners, list(grid), 2)
    close(add_patches_in_fixed_point(patches, corners, grid, 2), added)
    nothing = add_patches_in_fixed_point(patches[:0], corners[:0], grid, 2)
    assert nothing.eq(0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_extract_twin(fields, grid, dtype, agree, channels):
    corners = with_batch(qs.patch_corners(grid, 4, 3), 2).to(fields.device)
    corners = corners[torch.randperm(len(corners))[: len(corners) // 2]]
    agree(
        lambda image: qs.extract_patches(image, corners, 4),
        lambda image: reference.extract_patches(image, corners, 4),
        fields.noise(grid, channels, dtype=dtype),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_average_twin(fields, grid, dtype, agree, channels):
    """Some voxels are covered by many patches, some by none: those are 0."""
    corners = with_batch(qs.patch_corners(grid, 4, 3), 2).to(fields.device)[::3]
    patches = fields.noise([4] * len(grid), channels, batch=len(corners), dtype=dtype)
    agree(
        lambda p: qs.average_patches(p, corners, grid, 2),
        lambda p: reference.average_patches(p, corners, grid, 2),
        patches,
    )
    assert (qs.average_patches(patches, corners, grid, 2) == 0).any()


def test_there_and_back(fields, grid, dtype, close):
    image = fields.noise(grid, dtype=dtype)
    corners = with_batch(qs.patch_corners(grid, 5, 2), 2).to(fields.device)
    patches = qs.extract_patches(image, corners, 5)
    close(qs.average_patches(patches, corners, grid, 2), image)


def test_gradcheck(fields, small_grid, gradcheck):
    corners = with_batch(qs.patch_corners(small_grid, 3, 2), 2).to(fields.device)
    gradcheck(lambda image: qs.extract_patches(image, corners, 3), fields.noise(small_grid, 2))
    patches = fields.noise([3] * len(small_grid), 1, batch=len(corners))
    gradcheck(lambda p: qs.average_patches(p, corners, small_grid, 2), patches[:, :1])


def test_strided_image(fields, grid):
    image = fields.noise(grid)
    strided = image.movedim(1, -1).contiguous().movedim(-1, 1)
    corners = with_batch(qs.patch_corners(grid, 4, 3), 2).to(fields.device)
    assert torch.equal(
        qs.extract_patches(strided, corners, 4), qs.extract_patches(image, corners, 4)
    )


def test_corners_of_a_volume_are_those_of_every_volume():
    image = torch.rand(2, 3, 7, 6, 5, dtype=torch.float64)
    corners = qs.patch_corners(image.shape[2:], size=4, stride=3)
    patches = qs.extract_patches(image, corners, 4)
    assert len(patches) == 2 * len(corners)
    first = torch.cat([torch.zeros_like(corners[:, :1]), corners], dim=1)
    assert torch.equal(patches[: len(corners)], qs.extract_patches(image, first, 4))
    assert torch.allclose(qs.average_patches(patches, corners, image.shape[2:], batch=2), image)
