"""Memory that a program keeps."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from contextlib import nullcontext
from threading import Thread
import numpy as np
from quicksilver.runtime import allocator

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def fill():
    np.ones(8 << 20, np.float64).sum()  # 64 MB, 16384 pages

def thread():
    worker = Thread(target=fill)
    worker.start()
    worker.join()

with {how}:
    fill()
    for work in (fill, thread):
        before = faults()
        for _ in range(10):
            work()
        print(faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="of glibc")
def test_blocks_are_used_again_by_every_thread():
    def pages(how):
        # Without huge pages, of which few are needed either way.
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("{how}", how)],
            env=os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(count) for count in found.stdout.split()]

    assert min(pages("nullcontext()")) > 100_000
    assert max(pages("allocator.keep_freed_memory()")) < 20_000
