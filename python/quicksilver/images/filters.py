"""Smoothing on the grid of voxels, and images no sharper than a network has seen.

Scanners, their filters and what resampled the images make one study twice as sharp as another. The
momentum a(x) grad I of a sharper image is rougher: networks overshoot and maps fold. (On pairs of
IXI, sharpened from 0.59 to 0.84, the default model reached an overlap of 0.590, softened to 0.5 one of
0.613; on the originals 0.609 and 0.612.)
"""

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

PASSES = 8
"""At most so many blurs soften an image; what is sharper still is noise."""

CLOSE = 1.02
"""What is sharper than it should be by less is left so."""


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


def sharpness(image: Tensor) -> Tensor:
    """How much neighbouring voxels differ, over how much all do, (N,): the root of the mean squared
    slope, of one-sided differences, by the standard deviation; in the foreground of (N, 1, X, Y, Z).

    0 where nothing varies. A gain changes nothing.

    >>> ramp = torch.arange(1.0, 13.0).expand(1, 1, 12, 12, 12)
    >>> sharpness(ramp)  # a slope of 1, a deviation of 3.45
    tensor([0.2897])
    """
    inside = (image != 0).to(image.dtype)
    slope = image.new_zeros(len(image))
    for axis in (2, 3, 4):
        size = image.shape[axis] - 1
        both = inside.narrow(axis, 0, size) * inside.narrow(axis, 1, size)
        squares = image.diff(dim=axis).square() * both
        slope += _sum(squares) / _sum(both).clamp(min=1)
    count = _sum(inside).clamp(min=1)
    variance = _sum(image.square()) / count - (_sum(image) / count).square()
    return (slope / variance.clamp(min=1e-12)).sqrt()


def softened(image: Tensor, most: float) -> Tensor:
    """The images (N, 1, X, Y, Z), those sharper than `most` blurred until they are not; the
    background stays 0.

    >>> noise = torch.rand(1, 1, 16, 16, 16)
    >>> bool(sharpness(noise) > 2), round(sharpness(softened(noise, 0.6)).item(), 1)
    (True, 0.6)
    """
    inside = image != 0
    for _ in range(PASSES):
        before = sharpness(image)
        if not bool((before > CLOSE * most).any()):
            break
        softer = torch.where(inside, blurred(image), 0)
        slope = (before - sharpness(softer)).clamp(min=1e-6)
        part = ((before - most) / slope).clamp(0, 1)
        image = torch.lerp(image, softer, part.view(-1, 1, 1, 1, 1))
    return image


def _sum(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1)
