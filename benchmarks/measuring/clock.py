"""Timing of calls in turn (A B A B ...), and their peak memory."""

from __future__ import annotations

import ctypes
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

Call = Callable[[int], Any]
"""Called with the number of the input set to use: rotating them keeps the cache from flattering."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of malloc.h
STATUS, FORGET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, _, high = (
        quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    )
    return {
        "median": median(values),
        "quartile_low": low,
        "quartile_high": high,
        "runs": len(values),
    }


def alternate(
    device: torch.device,
    calls: dict[str, Call],
    rotation: int,
    budget: float,
    runs: tuple[int, int] = (3, 15),
    warm: bool = True,
) -> dict[str, dict[str, Any]]:
    """Measure the seconds of each call, their ratio to the first call run by run, and the peak
    bytes.

    Calls take turns, so that whatever else the machine does affects all alike. budget: seconds for
    all runs, of which there are at least and at most as many as `runs` says. A call that is `eager`
    is not recorded as a graph. warm: whether each is called once before, and once more for its
    memory; calls that take seconds need not be.
    """
    prepare = partial(_on_cuda if device.type == "cuda" else _on_cpu, warm=warm)
    start = time.perf_counter()
    measures = {name: prepare(call, rotation) for name, call in calls.items()}
    spent = time.perf_counter() - start
    least, most = runs
    rounds = min(most, max(least, int(budget / max(spent, 1e-9))))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds - (not warm)):
        for name, measure in measures.items():
            seconds[name].append(measure())
    peaks = {}
    for name, call in calls.items():
        peaks[name], last = peak_bytes(device, call)
        if not warm:
            seconds[name].append(last)
    ours = next(iter(seconds.values()))
    return {
        name: {
            "seconds": spread(values),
            "times_ours": spread([v / o for v, o in zip(values, ours, strict=True)]),
            "peak_bytes": peaks[name],
        }
        for name, values in seconds.items()
    }


def eager(call: Call) -> Call:
    """Mark a call of another library, which allocates for itself and so cannot be recorded in a
    graph.
    """
    call.eager = True  # type: ignore[attr-defined]
    return call


def _on_cpu(call: Call, rotation: int, warm: bool) -> Callable[[], float]:
    if warm:
        call(0)
    turn = 0

    def measure() -> float:
        nonlocal turn
        turn += 1
        start = time.perf_counter()
        call(turn % rotation)
        return time.perf_counter() - start

    return measure


def _on_cuda(call: Call, rotation: int, warm: bool) -> Callable[[], float]:
    """Time a graph of one call per input set: launches cost nothing, as in a model that keeps the
    device busy.
    """

    def run() -> None:
        for n in range(rotation):
            call(n)

    assert warm
    with torch.cuda.stream(torch.cuda.Stream()):  # whatever is made once is made before the capture
        run()
    torch.cuda.synchronize()
    if not hasattr(call, "eager"):
        run = _record_graph(run)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def measure() -> float:
        torch.cuda.synchronize()  # nothing of another call is left; in between nothing waits
        begin.record()
        run()
        end.record()
        end.synchronize()
        seconds: float = begin.elapsed_time(end) / 1e3 / rotation
        return seconds

    return measure


def _record_graph(run: Callable[[], Any]) -> Callable[[], Any]:
    """Record a graph of a function; return the function itself where it copies from the CPU or
    waits for the device.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            run()
    except RuntimeError:
        torch.cuda.synchronize()
        return run
    return graph.replay


def peak_bytes(device: torch.device, call: Call) -> tuple[int | None, float]:
    """Measure the peak memory of a call beyond what was in use before, its result included, and its
    seconds.

    On CUDA: what torch allocates. On the CPU: what the system says is resident (on Linux; elsewhere
    None).
    """
    start = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call(0)
        return torch.cuda.max_memory_allocated(device) - before, time.perf_counter() - start
    if not os.access(FORGET_PEAK, os.W_OK):
        call(0)
        return None, time.perf_counter() - start
    with _arrays_apart():
        FORGET_PEAK.write_text("5")
        before, start = _status("VmRSS"), time.perf_counter()
        call(0)
        seconds = time.perf_counter() - start
        return max(_status("VmHWM") - before, 0), seconds


@contextmanager
def _arrays_apart() -> Iterator[None]:
    """Put every array in pages of its own, returned when it is freed: freed memory that malloc
    keeps would hide what a call needs, and holes between arrays would add to it.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        yield
        return
    library.malloc_trim(0)
    library.mallopt(MMAP_THRESHOLD, 1 << 18)
    try:
        yield
    finally:
        library.mallopt(MMAP_THRESHOLD, 32 << 20)  # where it ends up by itself
        library.mallopt(TRIM_THRESHOLD, 64 << 20)


def tensor_bytes(call: Call) -> int:
    """Measure the peak bytes of torch's CPU tensors during a call, beyond those before it: by
    torch's own account, without what libraries hold.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        result = call(0)  # its memory is not freed before the count ends
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    del result
    changes = (event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return max(itertools.accumulate(changes), default=0)


def _status(entry: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(entry))
    return 1024 * int(line.split()[1])
