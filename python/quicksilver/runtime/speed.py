"""Measure a few operators on this machine's CPU, beside the figures of docs/benchmarks.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

import quicksilver_ext as qs

Shape = tuple[int, int, int]

PUBLISHED = {
    "copy, 160 x 192 x 160": 3.257,
    "warp, 128 x 128 x 128": 7.761,
    "warp backward, 128 x 128 x 128": 29.25,
    "sharp, 128 x 128 x 128": 11.37,
    "shoot, 64 x 64 x 64, 10 steps": 82.43,
}
"""Milliseconds, by the name of the case in docs/benchmarks.md."""

PUBLISHED_BY = "AMD EPYC, 2 threads, commit d3d83eb, 2026-11-27"

RUNS, BUDGET = 15, 4.0
"""Runs of each case after a first one that does not count, and seconds after which none begins."""


@dataclass(frozen=True)
class Timing:
    """A case, the median of its milliseconds here, and the published one."""

    case: str
    milliseconds: float
    published: float


def measure_operators(runs: int = RUNS) -> Iterator[Timing]:
    """Measure the cases of `PUBLISHED`, one after another."""
    for case, published in PUBLISHED.items():
        operator, size = case.split(", ")[:2]
        x, y, z = map(int, size.split(" x "))
        call = _CALLS[operator]((x, y, z))
        yield Timing(case, _time(call, runs), published)


def _time(call: Callable[[], object], runs: int) -> float:
    """Return the median of the milliseconds of a call."""
    call()
    seconds: list[float] = []
    begin = time.perf_counter()
    while len(seconds) < runs and (not seconds or time.perf_counter() - begin < BUDGET):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)


def _draw_noise(shape: Shape) -> Tensor:
    return torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(0))


def _make_waves(shape: Shape, amplitude: float) -> Tensor:
    """Return a smooth displacement of up to `amplitude` voxels."""
    x, y, z = torch.meshgrid(*(torch.linspace(0, 6, n) for n in shape), indexing="ij")
    return amplitude * torch.stack([x.sin() * y.cos() * (z + k).sin() for k in range(3)])[None]


def _prepare_copy(shape: Shape) -> Callable[[], object]:
    source, target = _draw_noise(shape), torch.empty(1, 3, *shape)
    return lambda: target.copy_(source)


def _prepare_warp(shape: Shape) -> Callable[[], object]:
    image, move = _draw_noise(shape), _make_waves(shape, 4)
    return lambda: qs.warp(image, move)


def _prepare_warp_backward(shape: Shape) -> Callable[[], object]:
    image, move = _draw_noise(shape).requires_grad_(), _make_waves(shape, 4).requires_grad_()
    warped = qs.warp(image, move)
    return lambda: torch.autograd.grad(warped, (image, move), image.detach(), retain_graph=True)


def _prepare_sharp(shape: Shape) -> Callable[[], object]:
    metric, vectors = qs.FluidMetric(), _draw_noise(shape)
    return lambda: metric.sharp(vectors)


def _prepare_shoot(shape: Shape) -> Callable[[], object]:
    metric = qs.FluidMetric(pad="none")
    x, y, z = (torch.hann_window(n, periodic=False) for n in shape)
    window = x[:, None, None] * y[:, None] * z
    momentum = metric.flat(_make_waves(shape, min(shape) / 12) * window)
    return lambda: qs.shoot(momentum, metric, 10)


_CALLS = {
    "copy": _prepare_copy,
    "warp": _prepare_warp,
    "warp backward": _prepare_warp_backward,
    "sharp": _prepare_sharp,
    "shoot": _prepare_shoot,
}
