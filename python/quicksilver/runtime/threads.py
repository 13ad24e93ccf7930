"""Thread pools for work that releases the GIL."""

from __future__ import annotations

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
