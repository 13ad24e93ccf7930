"""Measure the seconds of each stage and the peak memory of a run, and tell of its progress."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

Tell = Callable[[str], None]


class Progress(Protocol):
    """A function that is told the name of each stage as it starts, and details while it lasts.

    A detail that is a `Detail` says how much of the stage is done.
    """

    def __call__(self, stage: str, detail: str = "") -> None: ...


class Detail(str):
    """What is told of a stage that knows how much of it is done.

    Args:
        words: The detail.
        part: The part that is done, 0 to 1.

    Example:
        >>> Detail("3 of 4 pairs", 3 / 4).part
        0.75
    """

    part: float

    def __new__(cls, words: str, part: float) -> Detail:
        detail = super().__new__(cls, words)
        detail.part = part
        return detail


def count_done(done: int, count: int, what: str) -> Detail:
    """Return the detail "`done` of `count` `what`"."""
    return Detail(f"{done} of {count} {what}", done / max(count, 1))


class Stages:
    """Measure named stages, in order; a stage that comes again adds up.

    Args:
        progress: Told the name of each stage, and details.
        device: Device that computes, which is waited for at the end of a stage.

    Example:
        >>> stages = Stages()
        >>> with stages("predict"):
        ...     _ = sum(range(10))
        >>> list(stages.seconds)
        ['predict']
    """

    def __init__(
        self, progress: Progress | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._device = torch.device(device)

    @contextmanager
    def __call__(self, name: str) -> Iterator[Tell]:
        """Measure the block as the stage `name`; what it yields passes details of the stage on."""

        def tell(detail: str = "") -> None:
            if self._progress is not None:
                self._progress(name, detail)

        tell()
        start = time.perf_counter()
        yield tell
        if self._device.type == "cuda":  # kernels are queued: wait for them
            torch.cuda.synchronize(self._device)
        elapsed = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + elapsed


def peak_memory(device: torch.device | str) -> float:
    """Return the peak memory in MB of this process: on a GPU that of the device, else all of it."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
