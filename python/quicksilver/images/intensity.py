"""Intensities of one image with the distribution of another's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def match_histogram(data: Tensor, reference: Tensor) -> Tensor:
    """Intensities with the distribution of the reference's, non-zero voxels alone; zeros stay.

    Between 101 quantiles of both the map is linear, so that it keeps their order.

    >>> match_histogram(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 30.0, 0.0]))
    tensor([ 0., 10., 20., 30.])
    """
    inside = data != 0
    old, new = (
        np.percentile(values[values != 0].cpu().numpy(), np.linspace(0, 100, 101))
        for values in (data, reference)
    )
    # Values that are many voxels' make several quantiles equal; of these the map takes the middle.
    levels, first, counts = np.unique(old, return_index=True, return_counts=True)
    middle = new[first + (counts - 1) // 2]
    matched = np.interp(data[inside].cpu().numpy(), levels, middle).astype(np.float32)
    result = torch.zeros_like(data)
    result[inside] = torch.from_numpy(matched).to(data)
    return result
