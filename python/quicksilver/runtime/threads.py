"""Threads: a pool for work that releases the GIL, and how OpenMP's wait for work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Value = TypeVar("Value")


def run_in_threads(works: Iterable[Callable[[], Value]]) -> list[Value]:
    """Run callables that release the GIL in a thread pool; return their results.

    Args:
        works: Callables; each starts as soon as the iterable gives it.

    Example:
        >>> run_in_threads([lambda: 1, lambda: 2])
        [1, 2]
    """
    with ThreadPoolExecutor() as pool:
        return [job.result() for job in [pool.submit(work) for work in works]]


def let_waiting_threads_sleep() -> None:
    """Have OpenMP's threads sleep while they wait, unless the user's settings say how they wait.

    By default they spin, and take the processor from whatever runs beside them: four commands at
    once took three times as long (docs/benchmarks.md). OpenMP reads this once, when torch is
    imported: call it before, and for a whole program.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
