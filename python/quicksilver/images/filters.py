"""Convolutions and boxes on the voxel grid: blurs, Gaussians, means and maxima.

Images are (N, C, X, Y, Z) or (N, C, X, Y). Along an axis of one voxel nothing is done: a slice that
stands as (X, Y, 1) is treated as (X, Y) is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Padding = Literal["replicate", "constant"]
"""What lies beyond the faces: the values on them, or zeros."""


def blur(image: Tensor, weight: Tensor | float = 0.25) -> Tensor:
    """Convolve images with (weight, 1 - 2 weight, weight) along every axis.

    Args:
        image: (N, C, X, Y, Z); beyond its faces it goes on with the values on them.
        weight: One number, or (N, 1, 1, 1, 1), one for each image.
    """
    for axis in _list_axes(image):
        image = convolve(image, axis, (1 - 2 * weight, weight))
    return image


def blur_gaussian(image: Tensor, sigma: Sequence[float]) -> Tensor:
    """Convolve images with a Gaussian, cut off at four standard deviations.

    Args:
        image: (N, C, X, Y, Z); beyond its faces it goes on with the values on them.
        sigma: Standard deviation along each axis, in voxels.

    Example:
        >>> blur_gaussian(torch.eye(5)[2].view(1, 1, 5, 1, 1), (0.5, 0, 0)).flatten()
        tensor([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04])
    """
    for axis in _list_axes(image):
        width = sigma[axis]
        if (reach := round(4 * width)) > 0:
            taps = [math.exp(-0.5 * (k / width) ** 2) for k in range(reach + 1)]
            whole = taps[0] + 2 * sum(taps[1:])
            image = convolve(image, axis, [tap / whole for tap in taps])
    return image


def average(image: Tensor, reach: int, padding: Padding = "replicate") -> Tensor:
    """Average images over boxes of 2 reach + 1 voxels along each edge.

    Args:
        image: (N, C, X, Y, Z).
        reach: Voxels from the centre of a box to its faces.
        padding: What lies beyond the faces of the image.
    """
    for axis in _list_axes(image):
        image = convolve(image, axis, [1 / (2 * reach + 1)] * (reach + 1), padding)
    return image


def convolve(
    image: Tensor,
    axis: int,
    taps: Sequence[Tensor | float],
    padding: Padding = "replicate",
) -> Tensor:
    """Convolve images with (..., taps[1], taps[0], taps[1], ...) along one axis.

    The result is a sum of shifted images, which on a CPU is several times faster than a
    convolution.

    Args:
        image: (N, C, X, Y, Z).
        axis: 0, 1 or 2, for X, Y or Z.
        taps: Half of a symmetric kernel, its centre first.
        padding: What lies beyond the faces of the image.
    """
    reach = len(taps) - 1
    moved = _shift(image, axis, reach, padding)
    result = taps[0] * image
    for k, tap in enumerate(taps[1:], start=1):
        factor = torch.as_tensor(tap, dtype=image.dtype, device=image.device)
        result.addcmul_(moved[reach - k], factor).addcmul_(moved[reach + k], factor)
    return result


def dilate(image: Tensor, reach: int) -> Tensor:
    """Take the largest value of (N, C, X, Y, Z) in boxes of 2 reach + 1 voxels per edge."""
    for axis in _list_axes(image):
        image = reduce(torch.maximum, _shift(image, axis, reach, "replicate"))
    return image


def _list_axes(image: Tensor) -> list[int]:
    """List the axes, from 0 for X, along which an image has more than one voxel."""
    return [axis for axis, size in enumerate(image.shape[2:]) if size > 1]


def _shift(image: Tensor, axis: int, reach: int, padding: Padding) -> list[Tensor]:
    """Shift images along an axis by each of -reach ... reach voxels."""
    ends = [reach if a == axis else 0 for a in reversed(range(image.dim() - 2)) for _ in range(2)]
    wide, size = F.pad(image, ends, mode=padding), image.shape[2 + axis]
    return [wide.narrow(2 + axis, first, size) for first in range(2 * reach + 1)]
