"""Scale intensities for the networks; equalise a histogram, or match it to another image's."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError

Intensity = Literal["percentile", "maximum", "equalised"]
"""What `normalise` makes of intensities."""


def normalise(data: Tensor, intensity: Intensity = "percentile") -> Tensor:
    """Scale intensities as the networks expect them.

    Args:
        data: Intensities of any shape, background 0.
        intensity: What is brought to 1: the 99th "percentile" of the non-zero voxels, or the
            "maximum", as the original Quicksilver's networks were trained; or "equalised", the
            original's option (`equalise_histogram`).

    Returns:
        Intensities clipped to [0, 1.2], shaped and placed as `data`.

    Raises:
        QuicksilverError: The percentile or the maximum is not positive.

    Example:
        >>> normalise(torch.tensor([0.0, 50.0, 100.0]))
        tensor([0.0000, 0.5025, 1.0050])
        >>> normalise(torch.tensor([0.0, 50.0, 100.0]), "maximum")
        tensor([0.0000, 0.5000, 1.0000])
    """
    # torch.quantile takes at most 16 million values.
    inside = data[data != 0].cpu().numpy()
    part = 99 if intensity == "percentile" else 100
    scale = float(np.percentile(inside, part)) if inside.size else 0.0
    if scale <= 0:
        raise QuicksilverError(
            f"expected positive intensities in the brain, found the {intensity} {scale:g}; "
            "shift the image so that its background is 0"
        )
    return equalise_histogram(data) if intensity == "equalised" else (data / scale).clamp(0, 1.2)


def equalise_histogram(data: Tensor) -> Tensor:
    """Replace each non-zero intensity by the part of the non-zero voxels that are no brighter.

    Args:
        data: Intensities of any shape, background 0, which stays 0.

    Returns:
        Intensities in (0, 1], as many of each, shaped and placed as `data`.

    Example:
        >>> equalise_histogram(torch.tensor([0.0, 7.0, 3.0, 3.0, 900.0]))
        tensor([0.0000, 0.7500, 0.5000, 0.5000, 1.0000])
    """
    inside = data != 0
    values = data[inside].cpu().numpy()
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    parts = (np.cumsum(counts) / values.size).astype(np.float32)
    equalised = torch.zeros_like(data)
    equalised[inside] = torch.from_numpy(parts[level]).to(data)
    return equalised


def match_histogram(data: Tensor, reference: Tensor) -> Tensor:
    """Map the non-zero intensities of an image to the distribution of another's.

    The map is linear between 101 quantiles of both, so that it keeps the order of intensities.

    Args:
        data: Intensities of any shape, background 0, which stays 0.
        reference: Intensities whose distribution is wanted.

    Example:
        >>> reference = torch.tensor([10.0, 20.0, 30.0, 0.0])
        >>> match_histogram(torch.tensor([0.0, 1.0, 2.0, 3.0]), reference)
        tensor([ 0., 10., 20., 30.])
    """
    inside = data != 0
    old, new = (
        np.percentile(values[values != 0].cpu().numpy(), np.linspace(0, 100, 101))
        for values in (data, reference)
    )
    # Frequent values make several quantiles equal: the map uses the middle one.
    levels, first, counts = np.unique(old, return_index=True, return_counts=True)
    middle = new[first + (counts - 1) // 2]
    matched = np.interp(data[inside].cpu().numpy(), levels, middle).astype(np.float32)
    result = torch.zeros_like(data)
    result[inside] = torch.from_numpy(matched).to(data)
    return result
