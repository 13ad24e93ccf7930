"""What ITK takes from the header of NRRD without looking, checked before it does.

Its messages on entries that it does not know have room for a thousand characters.
"""

from __future__ import annotations

import re
from pathlib import Path

SUFFIXES = (".nrrd", ".nhdr")
LONGEST = 900
"""Bytes of a line, but of those that are never quoted."""

HEADER = 1 << 20
"""Bytes of a header at most: a segmentation has thousands."""

FREE = re.compile(rb"#|content: |sample units: |((?!: ).)*?:=")
"""Beginning of a line of any length: comments, descriptions, and pairs of a key and a value."""


def check_header(path: Path) -> None:
    """Check the lines of a header.

    Raises:
        ValueError: One is too long, or the header is.
    """
    with path.open("rb") as file:
        header = re.split(rb"\n\r?\n", file.read(HEADER + 1), maxsplit=1)[0]
    if len(header) > HEADER:
        raise ValueError(f"a header of more than {HEADER} bytes")
    for line in header.split(b"\n"):
        if len(line) > LONGEST and not FREE.match(line):
            raise ValueError(f"a line of {len(line)} bytes in its header")
