"""The memory of a process that makes and drops volumes by the hundred: kept, rather than returned.

By default the C library maps every large block anew and the system fills it with zeros page by page, which takes
longer than what is then done with it: 4 of 20 seconds of the processor were the system's (`quicksilver register`
by default-2mm of images of 160 x 192 x 160, two cores of an AMD EPYC, 8ce919b).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of the mallopt of glibc; others have none
LARGEST = 1 << 30  # bytes of a block that is kept

OBJECTS = 20_000
"""How many new objects make the collector of cycles look: torch alone brings a million that stay."""


@contextmanager
def kept() -> Iterator[None]:
    """For a whole program: freed blocks are used again, by whichever thread; nothing is looked
    through at its end."""
    gc.set_threshold(OBJECTS)
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(MMAP_THRESHOLD, LARGEST)
        library.mallopt(TRIM_THRESHOLD, LARGEST)
        library.mallopt(ARENA_MAX, 1)
    try:
        yield
    finally:
        gc.freeze()
