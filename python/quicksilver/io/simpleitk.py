"""Files of SimpleITK, under names that it can take, with its errors in one sentence.

Names that are not UTF-8 bring it down, so it works in a folder of its own, under names of ours.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import replacing


def last_line(error: Exception) -> str:
    """Return the last line of words in a message of ITK; those before it name its source files."""
    lines = str(error).strip().splitlines()
    return next((line for line in reversed(lines) if re.search("[A-Za-z]{3}", line)), str(error))


@contextmanager
def explaining(place: Path, kind: str) -> Iterator[Path]:
    """Yield a folder for the names under which an image is read, and say in one sentence what is
    wrong with it: on damaged bytes the readers may raise anything.

    Args:
        place: The image.
        kind: What it is expected to be.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Path(folder)
        except (QuicksilverError, MemoryError):
            raise
        except Exception as error:
            found = last_line(error).replace(f"{folder}/", "") or type(error).__name__
            raise QuicksilverError(
                f"expected {kind} at {place}, found '{found}'; convert or export it again"
            ) from error


def write(path: str | os.PathLike[str], save: Callable[[str], None]) -> None:
    """Write a file, complete or not at all, by what saves it under the name that it is called with.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / f"file{Path(path).suffix.lower()}"
        try:
            save(str(plain))
        except RuntimeError as error:
            raise OSError(last_line(error)) from error
        temporary.write_bytes(plain.read_bytes())
