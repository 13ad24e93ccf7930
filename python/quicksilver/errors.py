"""The error whose message is written for users."""

from __future__ import annotations


class QuicksilverError(Exception):
    """One sentence on one line: what was expected, what was found, and what to do.

    The command line prints the sentence and exits with code 2.

    >>> raise QuicksilverError("expected a file, found a folder; give the file's own path")
    Traceback (most recent call last):
    ...
    quicksilver.errors.QuicksilverError: expected a file, found a folder; give the file's own path
    """

    def __init__(self, sentence: str) -> None:
        # Quoted messages of other libraries may have several lines.
        super().__init__(escape(" ".join(sentence.split())))


def escape(text: str) -> str:
    """Return a text with what a terminal would obey, as names of files may have it, made visible.

    >>> escape("red: \x1b[31m")
    'red: \\\\x1b[31m'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
