"""Lists of image pairs to register, from CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_apart, require_file
from quicksilver.io.images import require_image


@dataclass(frozen=True)
class PairPaths:
    """A pair of images to register, and the files that come with it.

    Args:
        id: Its name.
        moving: Image that is deformed.
        target: Image that it is brought to.
        moving_labels: Labels of the moving image.
        target_labels: Labels of the target.
        moving_mask: Zero where the moving image is background.
        target_mask: Zero where the target is background.
    """

    id: str
    moving: Path
    target: Path
    moving_labels: Path | None = None
    target_labels: Path | None = None
    moving_mask: Path | None = None
    target_mask: Path | None = None


RESERVED = ("index.html", "summary.csv", "failures", "dataset_description.json")
"""Names in the folder of a cohort that are no pair's."""

LONGEST = 200
"""Bytes of an id: file systems take 255, of which temporary names and endings need some."""


FILE = "the path of a file"
ID = "a file name that no row before has (by default that of both images)"


def check_id(name: str) -> None:
    """Check that a folder or a file of results can have the name of a pair.

    Raises:
        ValueError: It cannot; says why.
    """
    if not name or name != Path(name).name or name.startswith("."):
        raise ValueError("is no file name")
    if not name.isprintable():
        raise ValueError("holds characters that cannot be printed")
    if name.lower() in RESERVED:
        raise ValueError("is the name of a file of the whole list")
    if len(os.fsencode(name)) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} bytes")


def require_name(path: Path, name: str) -> None:
    """Check that the folder of a file's results can have a name that is made of the file's own.

    Raises:
        QuicksilverError: It cannot.
    """
    try:
        check_id(name)
    except ValueError as error:
        raise QuicksilverError(
            f"expected the name of {path} to be that of a folder of results, found '{name}', which "
            f"{error}; rename it"
        ) from error


def check_outputs(
    pairs: Sequence[PairPaths],
    outputs: Callable[[str], Iterable[Path]],
    *more: str | os.PathLike[str],
) -> None:
    """Check that no file to write is one of those that are read.

    Args:
        pairs: The pairs.
        outputs: Returns the files that are written for an id.
        more: Further files that are read.

    Raises:
        QuicksilverError: One is.
    """
    read: list[str | os.PathLike[str]] = [
        path for pair in pairs for path in vars(pair).values() if isinstance(path, Path)
    ]
    require_apart((path for pair in pairs for path in outputs(pair.id)), [*read, *more])


def read_list(path: str | Path, missing: bool = False) -> list[PairPaths]:
    """Read the pairs of a CSV file with the columns of `PairPaths`, whose paths start at its
    folder.

    Only moving and target are required; an id is by default made of their names.

    Args:
        path: The file.
        missing: Whether files may be missing, as long as one pair has all of its own.

    Raises:
        QuicksilverError: An entry is missing or no file, or an id is not one file name or occurs
            twice; row (the first one names the columns) and column are named.
    """
    path = require_file(path, "a list of pairs")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise QuicksilverError(
            f"expected {path} to be a CSV file with the columns moving and target, found "
            f"'{error}'; write one row of two image paths per pair"
        ) from error
    known = [f.name for f in fields(PairPaths)]
    if not {"moving", "target"} <= set(columns) <= set(known) or len(set(columns)) < len(columns):
        raise QuicksilverError(
            f"expected {path} to have the columns moving and target, each once, and no others "
            f"than {', '.join(known)}, found {', '.join(columns) or 'none'}; "
            "name them in its first row"
        )
    if not rows:
        raise QuicksilverError(
            f"expected {path} to list pairs, found its first row alone; write one row per pair"
        )
    parsed: dict[str, Row] = {}
    for number, entries in enumerate(rows, start=2):
        row = Row(path, number, entries)
        pair = row.parse()
        if pair.id in parsed:
            raise row.refuse("id", ID, f"'{pair.id}' is not; give another")
        parsed[pair.id] = row
    absent = list(filter(None, (row.find_absent() for row in parsed.values())))
    if absent and (not missing or len(absent) == len(parsed)):
        raise absent[0]
    return [row.parse() for row in parsed.values()]


@dataclass(frozen=True)
class Row:
    """A row of a list of pairs.

    Args:
        path: The list.
        number: The row's number; the first one names the columns.
        entries: Its entries by their columns.
    """

    path: Path
    number: int
    entries: dict[str, str]

    def refuse(self, column: str, expected: str, advice: str) -> QuicksilverError:
        """Return the error for an entry."""
        return QuicksilverError(
            f"expected {expected} in row {self.number}, column {column} of {self.path}, found "
            f"'{self.entries.get(column, '')}'; {advice}"
        )

    @property
    def files(self) -> dict[str, Path]:
        """The files by their columns."""
        given = {k: v for k, v in self.entries.items() if k != "id" and v}
        return {column: self.path.parent / entry for column, entry in given.items()}

    def parse(self) -> PairPaths:
        """Return the pair.

        Raises:
            QuicksilverError: An entry is missing, too much, or no id.
        """
        if "" in self.entries:
            raise QuicksilverError(
                f"expected {len(self.entries) - 1} entries in row {self.number} of {self.path}, "
                "found more; quote paths with commas"
            )
        files = self.files
        for column in ("moving", "target"):
            if column not in files:
                raise self.refuse(column, FILE, "give it from the folder of the list")
        default = f"{find_stem(files['moving'])}-{find_stem(files['target'])}"
        name = self.entries.get("id") or default
        try:
            check_id(name)
        except ValueError as error:
            raise self.refuse("id", ID, f"'{name}' {error}; give another") from error
        return PairPaths(name, **files)

    def find_absent(self) -> QuicksilverError | None:
        """Return the error for the first file that is not there; None: all are."""
        for column, file in self.files.items():
            try:
                require_image(file)
            except QuicksilverError:
                return self.refuse(column, FILE, "give it from the folder of the list")
        return None


def find_stem(path: Path) -> str:
    """Return the name of a NIfTI file without its endings."""
    return path.name.removesuffix(".gz").removesuffix(".nii")
