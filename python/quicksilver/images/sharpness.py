"""Measure how sharp an image is, and soften images sharper than a network has seen.

Scanners, their filters and resampling make one study twice as sharp as another. The momentum
a(x) grad I of a sharper image is rougher: networks overshoot and maps fold (docs/register.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from quicksilver.images.filters import blur

PASSES = 8
"""Largest number of blurs of one image; what is sharper still is noise."""


CLOSE = 1.02
"""Images sharper than wanted by a smaller factor are left as they are."""


def measure_sharpness(image: Tensor) -> Tensor:
    """Measure sharpness: the root mean squared slope over the standard deviation, in the
    foreground.

    Slopes are one-sided differences between neighbouring voxels. A gain of the image changes
    nothing.

    Args:
        image: (N, 1, X, Y, Z), background 0.

    Returns:
        (N,); 0 where nothing varies.

    Example:
        >>> ramp = torch.arange(1.0, 13.0).expand(1, 1, 12, 12, 12)
        >>> measure_sharpness(ramp)  # a slope of 1, a deviation of 3.45
        tensor([0.2897])
    """
    inside = image.sign().abs_()
    slope = image.new_zeros(len(image), dtype=torch.float64)
    for axis in (2, 3, 4):
        size = image.shape[axis] - 1
        both = inside.narrow(axis, 0, size) * inside.narrow(axis, 1, size)
        squares = image.diff(dim=axis).square_().mul_(both)
        slope += _sum(squares) / _sum(both).clamp(min=1)
    count = _sum(inside).clamp(min=1)
    variance = _sum(image.square()) / count - (_sum(image) / count).square()
    return (slope / variance.clamp(min=1e-12)).sqrt().to(image.dtype)


def soften(image: Tensor, most: float) -> Tensor:
    """Blur images sharper than `most` until they are not; the background stays 0.

    Args:
        image: (N, 1, X, Y, Z), background 0.
        most: Largest sharpness (`measure_sharpness`).

    Example:
        >>> noise = torch.rand(1, 1, 16, 16, 16)
        >>> bool(measure_sharpness(noise) > 2)
        True
        >>> round(measure_sharpness(soften(noise, 0.6)).item(), 1)
        0.6
    """
    inside = image != 0
    for _ in range(PASSES):
        before = measure_sharpness(image)
        if not bool((before > CLOSE * most).any()):
            break
        softer = torch.where(inside, blur(image), 0)
        slope = (before - measure_sharpness(softer)).clamp(min=1e-6)
        part = ((before - most) / slope).clamp(0, 1)
        image = torch.lerp(image, softer, part.view(-1, 1, 1, 1, 1))
    return image


def _sum(values: Tensor) -> Tensor:
    """Sum rows, then these in double precision: how threads divide the work does not show in
    single.
    """
    return values.sum(-1).flatten(1).sum(1, dtype=torch.float64)
