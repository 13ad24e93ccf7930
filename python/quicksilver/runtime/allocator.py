"""Keep freed memory in the process, which makes and drops volumes by the hundred.

By default the C library maps every large block anew and the system fills it with zeros page by
page, which takes longer than what is then done with it (docs/register.md).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = (
    -1,
    -3,
    -8,
)  # of glibc's mallopt; other C libraries have none
LARGEST = 1 << 30  # bytes of the largest block that is kept

OBJECTS = 20_000
"""New objects that trigger a garbage collection: torch alone makes a million that stay."""


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Keep freed blocks for reuse by any thread, and skip the garbage collection at exit.

    For a whole program: the settings of the C library stay.
    """
    gc.set_threshold(OBJECTS)
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(MMAP_THRESHOLD, LARGEST)
        library.mallopt(TRIM_THRESHOLD, LARGEST)
        library.mallopt(ARENA_MAX, 1)
    try:
        yield
    finally:
        gc.freeze()
