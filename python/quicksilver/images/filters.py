"""Convolutions and boxes on the voxel grid: blurs, Gaussians, means and maxima."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Past = Literal["replicate", "constant"]
"""What is past the faces: what is on them, or zeros."""


def blurred(image: Tensor, weight: Tensor | float = 0.25) -> Tensor:
    """Each of (N, C, X, Y, Z) convolved with (weight, 1 - 2 weight, weight) along every axis; past
    the faces, what is on them. weight: one for all, or (N, 1, 1, 1, 1)."""
    for axis in range(3):
        image = convolved(image, axis, (1 - 2 * weight, weight))
    return image


def gaussian(image: Tensor, sigma: Sequence[float]) -> Tensor:
    """(N, C, X, Y, Z) convolved with a Gaussian, sampled to four of its standard deviations, in voxels
    along each axis; past the faces, what is on them.

    >>> gaussian(torch.eye(5)[2].view(1, 1, 5, 1, 1), (0.5, 0, 0)).flatten()
    tensor([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04])
    """
    for axis, width in enumerate(sigma):
        if (reach := round(4 * width)) > 0:
            taps = [math.exp(-0.5 * (k / width) ** 2) for k in range(reach + 1)]
            whole = taps[0] + 2 * sum(taps[1:])
            image = convolved(image, axis, [tap / whole for tap in taps])
    return image


def averaged(image: Tensor, reach: int, past: Past = "replicate") -> Tensor:
    """The mean of (N, C, X, Y, Z) over boxes of 2 reach + 1 voxels along each edge."""
    for axis in range(3):
        image = convolved(image, axis, [1 / (2 * reach + 1)] * (reach + 1), past)
    return image


def convolved(
    image: Tensor,
    axis: int,
    taps: Sequence[Tensor | float],
    past: Past = "replicate",
) -> Tensor:
    """(N, C, X, Y, Z) convolved along one of the last three axes with (..., taps[1], taps[0], taps[1],
    ...).

    Sums of whole images: along all axes of 160 x 192 x 160 with three taps 15 ms, where SciPy takes 79
    and a convolution of torch 80 to 105 (two cores of an AMD EPYC, ff047a3, within `heap.kept`).
    """
    reach = len(taps) - 1
    moved = _moved(image, axis, reach, past)
    result = taps[0] * image
    for k, tap in enumerate(taps[1:], start=1):
        factor = torch.as_tensor(tap, dtype=image.dtype, device=image.device)
        result.addcmul_(moved[reach - k], factor).addcmul_(moved[reach + k], factor)
    return result


def widened(image: Tensor, reach: int) -> Tensor:
    """The largest value of (N, C, X, Y, Z) in boxes of 2 reach + 1 voxels along each edge."""
    for axis in range(3):
        image = reduce(torch.maximum, _moved(image, axis, reach, "replicate"))
    return image


def _moved(image: Tensor, axis: int, reach: int, past: Past) -> list[Tensor]:
    """The image moved along an axis by each of -reach .. reach voxels."""
    ends = [reach if a == axis else 0 for a in (2, 2, 1, 1, 0, 0)]
    wide, size = F.pad(image, ends, mode=past), image.shape[2 + axis]
    return [wide.narrow(2 + axis, first, size) for first in range(2 * reach + 1)]
