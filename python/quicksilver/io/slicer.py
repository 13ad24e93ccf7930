"""Points of 3D Slicer (.fcsv): a text of comments, then one point a line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.io.point_set import PointSet

HEADER = re.compile(r"# *(\w+) *= *(.*)")
SPACES = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}
"""Slicer's names of coordinate systems, which were numbers up to version 4.10."""

COLUMNS = ["x", "y", "z"]
"""Names of the columns behind the first, a name or label."""


def read_fcsv(path: Path) -> PointSet:
    """Read the points of an .fcsv; comments and other columns stay as they are.

    Raises:
        ValueError: The comments do not say one coordinate system, RAS or LPS, or a line is no
            point.
    """
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    space = _find_space([line for line in lines if line.startswith("#")])
    rows = [n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    points = np.array([_parse_row(lines[n], n + 1) for n in rows]).reshape(-1, 3)

    def write(path: Path, points: np.ndarray, grid: Grid | None) -> None:
        moved = list(lines)
        for n, point in zip(rows, points, strict=True):
            name, _, _, _, *rest = lines[n].split(",", 4)
            moved[n] = ",".join([name, *(f"{value:.6f}" for value in point), *rest])
        path.write_text("\n".join(moved), encoding="utf-8")

    found = PointSet(points, write)
    return found.from_lps() if space == "LPS" else found


def _find_space(comments: list[str]) -> str:
    entries = [match.groups() for line in comments if (match := HEADER.match(line))]
    for name, value in entries:
        columns = [column.strip() for column in value.split(",")]
        if name == "columns" and columns[1:4] != COLUMNS:
            raise ValueError(f"the columns {value[:60]} instead of a name, x, y and z")
    named = {value.strip() for name, value in entries if name == "CoordinateSystem"}
    if not named:
        raise ValueError("no line '# CoordinateSystem = ', without which it may be RAS or LPS")
    if len(named) > 1 or not named <= SPACES.keys():
        raise ValueError(f"the coordinate system {', '.join(sorted(named))[:60]}, not RAS or LPS")
    return SPACES[named.pop()]


def _parse_row(line: str, number: int) -> list[float]:
    entries = line.split(",", 4)[1:4]
    try:
        if len(entries) < 3:
            raise ValueError(f"{len(entries)} coordinates")
        return [float(entry) for entry in entries]
    except ValueError as error:
        raise ValueError(f"{error} in line {number}") from error
