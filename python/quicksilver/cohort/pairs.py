"""Lists of image pairs to register, from CSV files."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file


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
    pairs: list[PairPaths] = []
    for number, row in enumerate(rows, start=2):
        pairs.append(_parse_row(path, number, row, {pair.id for pair in pairs}))
    return pairs


def _parse_row(path: Path, number: int, row: dict[str, str], taken: set[str]) -> PairPaths:
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
    if name in taken or name != Path(name).name or name.startswith("."):
        expected = "a file name that no row before has (by default that of both images)"
        raise complain("id", expected, f"'{name}' is not; give another")
    return PairPaths(name, **files)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")
