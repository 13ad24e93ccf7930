"""Grids with an axis of one sample: as the plane that they are, or refused in a sentence."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import arrays

SIZES = [(7, 8, 1), (7, 1, 8), (1, 7, 8)]
one_slice = pytest.mark.parametrize("sizes", SIZES, ids=["last", "middle", "first"])


def plane(field, sizes, vectors=False):
    """(B, C, *S) of one slice as a plane's; vectors: without the component across it."""
    axis = sizes.index(1)
    flat = field.squeeze(axis + 2)
    return flat[:, [c for c in range(3) if c != axis]] if vectors else flat


def within(displacement, sizes):
    """The displacement without a component across the slice."""
    displacement = displacement.clone()
    displacement[:, sizes.index(1)] = 0
    return displacement


@one_slice
def test_invert(fields, sizes, close):
    displacement = within(fields.smooth(sizes, 0.6, 1.5), sizes)
    inverse, residual = qs.invert(displacement, 30, 1e-10)
    flat = qs.invert(plane(displacement, sizes, vectors=True), 30, 1e-10)
    assert inverse.shape == displacement.shape
    assert residual.shape == (len(displacement), 1, *sizes)
    assert inverse.is_contiguous()
    close(plane(inverse, sizes, vectors=True), flat[0], 1e-8)
    assert inverse[:, sizes.index(1)].abs().max() == 0
    assert residual.max() < 1e-10


def test_invert_across(fields, gradcheck):
    """A component across the slice is continued as it is at the slice."""
    displacement = fields.smooth((5, 6, 1), 1.0, 0.7)
    inverse, residual = qs.invert(displacement, 30, 1e-13)
    assert residual.max() < 1e-12
    assert qs.compose(displacement, inverse).abs().max() < 1e-12
    gradcheck(lambda u: qs.invert(u, 30, 1e-13)[0], displacement)


@one_slice
@pytest.mark.parametrize("padding_mode", ["border", "zeros"])
@pytest.mark.parametrize("similarity", [qs.ssd, qs.lncc], ids=["ssd", "lncc"])
def test_similarities(fields, sizes, close, similarity, padding_mode):
    """As of what `warp` makes of the image, which accepts such axes."""
    image, target = fields.noise(sizes, 2), fields.noise(sizes, 2)
    displacement = fields.displacement(sizes, 1.3)
    still = torch.zeros_like(displacement)
    warped = qs.warp(image, displacement, padding_mode=padding_mode)
    expected = similarity(warped, target, still)
    close(similarity(image, target, displacement, padding_mode=padding_mode), expected)


@one_slice
@pytest.mark.parametrize("padding_mode", ["border", "zeros", "reflect"])
def test_warp_labels(fields, sizes, padding_mode):
    """The label of most weight, as of the plane continued by hand."""
    labels = fields.noise(sizes, 1).mul(3).round().long()
    axis = sizes.index(1) + 2
    displacement = fields.displacement(sizes, 1.3)
    other = torch.zeros_like(labels) if padding_mode == "zeros" else labels
    wide = torch.cat([other, labels, other], axis)
    shift = torch.zeros_like(displacement)
    shift[:, axis - 2] = 1
    expected = qs.warp_labels(wide, displacement + shift, padding_mode)
    assert torch.equal(qs.warp_labels(labels, displacement, padding_mode), expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda i, u: qs.splat(i, u),
        lambda i, u: qs.Ad_star(u, u),
        lambda i, u: qs.shoot(u, qs.FluidMetric()),
        lambda i, u: arrays.warp(i.numpy(), u.numpy()),
        lambda i, u: arrays.compose(u.numpy(), u.numpy()),
        lambda i, u: arrays.invert(u.numpy()),
        lambda i, u: arrays.splat(i.numpy(), u.numpy()),
        lambda i, u: arrays.warp_labels(i.numpy().astype(int), u.numpy()),
    ],
    ids=[
        "splat",
        "Ad_star",
        "shoot",
        "a.warp",
        "a.compose",
        "a.invert",
        "a.splat",
        "a.warp_labels",
    ],
)
def test_refused_in_a_sentence(call):
    image, displacement = torch.rand(1, 1, 6, 1, 5), torch.rand(1, 3, 6, 1, 5)
    with pytest.raises(ValueError, match="samples along each axis") as failure:
        call(image, displacement)
    assert "found" in str(failure.value)
    assert "\n" not in str(failure.value)
