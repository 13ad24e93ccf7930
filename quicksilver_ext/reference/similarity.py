"""Similarities of a warped image and a target."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .warp import warp


def ssd(
    image: Tensor, target: Tensor, displacement: Tensor, padding_mode: str = "border"
) -> Tensor:
    """sum_x,c (I(x + u(x)) - J(x))^2, (B,)."""
    difference = warp(image, displacement, "linear", padding_mode) - target
    return difference.square().flatten(1).sum(1)


def box_mean(field: Tensor, window: int) -> Tensor:
    """The mean over windows with zeros outside, (B, C, *S)."""
    return _windows(field, window).mean(-1)


def _windows(field: Tensor, window: int) -> Tensor:
    """The window around every voxel, (B, C, *S, window^D)."""
    dims = field.ndim - 2
    field = F.pad(field, [window // 2] * 2 * dims)
    for axis in range(2, 2 + dims):
        field = field.unfold(axis, window, 1)
    return field.flatten(2 + dims)


def lncc(
    image: Tensor,
    target: Tensor,
    displacement: Tensor,
    window: int = 9,
    epsilon: float = 1e-10,
    padding_mode: str = "border",
) -> Tensor:
    """1 - mean of squared correlations over windows with zeros outside, (B,)."""
    warped = _windows(warp(image, displacement, "linear", padding_mode), window)
    other = _windows(target.expand(warped.shape[0], *target.shape[1:]), window)
    a, b = warped - warped.mean(-1, keepdim=True), other - other.mean(-1, keepdim=True)
    covariance = (a * b).mean(-1)
    correlation = covariance**2 / (a.square().mean(-1) * b.square().mean(-1) + epsilon)
    return 1 - correlation.flatten(1).mean(1)
