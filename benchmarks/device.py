"""Seconds of work on a device: events around replayed CUDA graphs, or a clock around calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from .timing import spread

Call = Callable[[int], Any]
"""Called with the number of the input set to use: rotating them keeps the cache from flattering."""


def alternate_on(
    device: torch.device, calls: dict[str, Call], rotation: int, repeats: int = 20
) -> dict[str, dict[str, float]]:
    """Seconds per call of each, measured in turn (A B A B ...)."""
    prepare = _replayed if device.type == "cuda" else _called
    measures = {name: prepare(call, rotation) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, measure in measures.items():
            seconds[name].append(measure())
    return {name: spread(values) for name, values in seconds.items()}


def _called(call: Call, rotation: int) -> Callable[[], float]:
    call(0)

    def measure() -> float:
        start = time.perf_counter()
        for n in range(rotation):
            call(n)
        return (time.perf_counter() - start) / rotation

    return measure


def _replayed(call: Call, rotation: int) -> Callable[[], float]:
    """One graph of a call per input set: launches cost nothing, as in a model that keeps the device busy."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # whatever is made once is made before the capture
        for n in range(rotation):
            call(n)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for n in range(rotation):
            call(n)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def measure() -> float:
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        seconds: float = begin.elapsed_time(end) / 1e3 / rotation
        return seconds

    return measure


def call_by_call(device: torch.device, call: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Seconds of what reads back from the device and so cannot be in a graph, from its call to its end."""
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return spread(seconds[1:])
