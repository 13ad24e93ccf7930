"""The number of threads that operators may use on the CPU."""

from __future__ import annotations

import os

_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def usable_threads(wanted: int) -> int:
    """Return the number wanted; 1 in a forked child, where OpenMP would wait for ever for threads
    that the fork left behind.
    """
    return 1 if _forked else wanted
