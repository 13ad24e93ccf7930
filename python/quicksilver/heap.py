"""The memory of a process that makes and drops volumes by the hundred: kept, rather than returned.

By default the C library maps every large block anew and the system fills it with zeros page by page, which takes
longer than what is then done with it: of a registration on two processors a fifth of the time.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of the mallopt of glibc; others have none
LARGEST = 1 << 30  # bytes of a block that is kept

OBJECTS = 20_000
"""How many new objects make the collector of cycles look: torch alone brings a million that stay."""


@contextmanager
def kept() -> Iterator[None]:
    """For a whole program, before torch is imported: freed blocks are used again; nothing is looked
    through at its end."""
    gc.set_threshold(OBJECTS)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks for pages of 2 MB
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(MMAP_THRESHOLD, LARGEST)
        library.mallopt(TRIM_THRESHOLD, LARGEST)
    try:
        yield
    finally:
        gc.freeze()
