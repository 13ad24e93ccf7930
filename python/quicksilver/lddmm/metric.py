"""Pad the fluid metric against wrap-around, and bring it to coarser grids."""

from __future__ import annotations

import math
from dataclasses import replace

import quicksilver_ext as qs

DECAYS = 3.5


def pad_metric(metric: qs.FluidMetric) -> qs.FluidMetric:
    """Return the metric with a gap of 3.5 decay lengths between a field and its periodic images.

    A decay length is sqrt((alpha + beta) / gamma).

    Example:
        >>> pad_metric(qs.FluidMetric()).pad
        16
    """
    decay = math.sqrt((metric.alpha + metric.beta) / metric.gamma)
    return replace(metric, pad=math.ceil(DECAYS * decay))


def coarsen_metric(metric: qs.FluidMetric, factor: int) -> qs.FluidMetric:
    """Return the same physical metric for fields in voxels of a grid coarser by `factor`."""
    pad = metric.pad if isinstance(metric.pad, str) else math.ceil(metric.pad / factor)
    return replace(metric, spacing=tuple(h * factor for h in metric.spacing), pad=pad)
