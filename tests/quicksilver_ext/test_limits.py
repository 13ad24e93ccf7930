"""Displacements at the edge of what floating-point numbers can say."""

from __future__ import annotations

import math

import pytest
import torch

import quicksilver_ext as qs

SHAPE = (6, 7, 8)
IMAGE = torch.randn(2, 1, *SHAPE)
VECTOR = torch.randn(2, 3, *SHAPE)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("padding_mode", ["border", "zeros", "reflect", "wrap"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_displacements_without_a_place(mode, padding_mode, value):
    """NaN and what is far away read and write nothing outside of the arrays."""
    u = 0.3 * torch.ones_like(VECTOR)
    wild = u.clone()
    wild[:, :, 2, 3, 4] = value
    here = torch.zeros(SHAPE, dtype=torch.bool)
    here[2, 3, 4] = True
    expected, found = (qs.warp(IMAGE, d, mode, padding_mode) for d in (u, wild))
    assert torch.equal(found[..., ~here], expected[..., ~here])
    labels = (IMAGE > 0).byte()
    expected, found = (qs.warp_labels(labels, d, padding_mode) for d in (u, wild))
    assert torch.equal(found[..., ~here], expected[..., ~here])
    total = qs.splat(IMAGE * ~here, wild, mode=mode, padding_mode=padding_mode)
    assert torch.allclose(total, qs.splat(IMAGE * ~here, u, mode=mode, padding_mode=padding_mode))
