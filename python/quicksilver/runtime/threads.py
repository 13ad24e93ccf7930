"""Thread pools for work that releases the GIL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Value = TypeVar("Value")


def at_once(works: Iterable[Callable[[], Value]]) -> list[Value]:
    """The results of works that leave the interpreter free for long, such as compressing, each called in a
    thread of its own as soon as the iterable gives it.

    >>> at_once([lambda: 1, lambda: 2])
    [1, 2]
    """
    with ThreadPoolExecutor() as pool:
        return [job.result() for job in [pool.submit(work) for work in works]]
