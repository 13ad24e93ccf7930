"""What every program does around its work: signals, threads, and errors as one sentence."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from quicksilver.errors import QuicksilverError
from quicksilver.runtime import allocator
from quicksilver.runtime.threads import let_waiting_threads_sleep


def run_program(program: Callable[[], object]) -> None:
    """Run a program on the words of the command line; a QuicksilverError is one sentence and exit
    code 2.
    """
    try:
        _refuse_empty_words(sys.argv[1:])
        _end_by_signals()
        let_waiting_threads_sleep()
        with allocator.keep_freed_memory():
            program()
    except QuicksilverError as error:
        _end(error)
    except (OSError, MemoryError, RecursionError) as error:
        found = str(error) or type(error).__name__
        _end(
            QuicksilverError(
                f"expected files and memory that can be used, found '{found}'; make room, or check "
                "the files"
            )
        )


def _end(error: QuicksilverError) -> NoReturn:
    """Print an error and exit with code 2; what is left unwritten of the output is dropped."""
    with suppress(OSError):
        print(f"quicksilver: {error}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk: Python would try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(2) from None


def _end_by_signals() -> None:
    """Let the signals that end a program unwind it, so that temporary files are removed."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores the second
            signal.signal(number, stop)


def _refuse_empty_words(words: list[str]) -> None:
    """Refuse arguments of nothing, as unset variables of a shell leave them: no file has that
    name, and a path of nothing would be the working folder.
    """
    for before, word in zip(["", *words], words, strict=False):
        if not word or re.fullmatch("--[a-z-]+=", word):
            after = f" after {before}" if before else ""
            raise QuicksilverError(
                f"expected a value in every argument, found an empty one{after}; fill it in or "
                "leave it out"
            )
