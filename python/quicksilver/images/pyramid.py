"""Images, momenta and metrics on coarser grids, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs

DECAYS = 3.5


def isolated(metric: qs.FluidMetric) -> qs.FluidMetric:
    """The same metric with a gap of 3.5 decay lengths, sqrt((alpha + beta) / gamma), between a field and its periodic
    images.

    >>> isolated(qs.FluidMetric()).pad
    16
    """
    decay = math.sqrt((metric.alpha + metric.beta) / metric.gamma)
    return replace(metric, pad=math.ceil(DECAYS * decay))


def metric_at(metric: qs.FluidMetric, factor: int) -> qs.FluidMetric:
    """The same physical metric for fields in voxels of a grid coarser by `factor`."""
    pad = metric.pad if isinstance(metric.pad, str) else math.ceil(metric.pad / factor)
    return replace(metric, spacing=tuple(h * factor for h in metric.spacing), pad=pad)


def coarser(field: Tensor, factor: int) -> Tensor:
    """Means over cubes of `factor` voxels; what is missing at the far faces counts as zero."""
    ends = [end for n in reversed(field.shape[2:]) for end in (0, -n % factor)]
    return F.avg_pool3d(F.pad(field, ends), factor) if factor > 1 else field


def finer(field: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Linear interpolation between the centres of the cubes of `coarser`, cropped to `shape`."""
    if factor == 1:
        return field
    fine = F.interpolate(field, scale_factor=factor, mode="trilinear", align_corners=False)
    return fine[..., : shape[0], : shape[1], : shape[2]].contiguous()
