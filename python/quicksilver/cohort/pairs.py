"""Lists of image pairs to register, from CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_apart, require_file


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


def read_list(path: str | Path) -> list[PairPaths]:
    """Read the pairs of a CSV file with the columns of `PairPaths`, whose paths start at its
    folder.

    Only moving and target are required; an id is by default made of their names.

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
    pairs: dict[str, PairPaths] = {}
    for number, row in enumerate(rows, start=2):
        pair = _parse_row(path, number, row, pairs)
        pairs[pair.id] = pair
    return list(pairs.values())


def _parse_row(path: Path, number: int, row: dict[str, str], taken: Container[str]) -> PairPaths:
    """Return the pair of one row, whose id must not be taken."""

    def complain(column: str, expected: str, advice: str) -> QuicksilverError:
        return QuicksilverError(
            f"expected {expected} in row {number}, column {column} of {path}, found "
            f"'{row.get(column, '')}'; {advice}"
        )

    if "" in row:
        raise QuicksilverError(
            f"expected {len(row) - 1} entries in row {number} of {path}, found more; "
            "quote paths with commas"
        )
    files = {}
    for column, entry in row.items():
        if column == "id" or not (entry or column in ("moving", "target")):
            continue
        files[column] = path.parent / entry
        try:
            require_file(files[column], "a file")
        except QuicksilverError as error:
            advice = "give it from the folder of the list"
            raise complain(column, "the path of a file", advice) from error
    name = row.get("id") or f"{_stem(files['moving'])}-{_stem(files['target'])}"
    expected = "a file name that no row before has (by default that of both images)"
    if name in taken:
        raise complain("id", expected, f"'{name}' is not; give another")
    try:
        check_id(name)
    except ValueError as error:
        raise complain("id", expected, f"'{name}' {error}; give another") from error
    return PairPaths(name, **files)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")
