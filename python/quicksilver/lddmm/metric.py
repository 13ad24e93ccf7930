"""The fluid metric padded against wrap-around, and on coarser grids."""

from __future__ import annotations

import math
from dataclasses import replace

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
