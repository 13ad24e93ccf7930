"""How many threads the operators of the processor may use."""

from __future__ import annotations

import os

_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def threads(wanted: int) -> int:
    """As many as wanted; one in a forked child, where OpenMP waits for ever for threads that the fork left behind."""
    return 1 if _forked else wanted
