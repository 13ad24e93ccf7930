"""Scaling: time and memory over one property of a case, others equal, and log-log slopes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..measuring.place import Record
from .results import Results

PROPERTIES = ("voxels", "steps", "batch", "threads")
FIXED = ("operator", "channels", "dtype", "batch", "steps", "threads", "shape")
FEWEST = {"voxels": 4, "steps": 3, "batch": 3, "threads": 2}
"""Points without which there is no line."""


@dataclass(frozen=True)
class Line:
    """Seconds and peak bytes (None where unknown) of an operator over a property."""

    operator: str
    over: str
    at: list[float]
    seconds: list[float]
    peaks: list[float | None]

    def slope(self, values: list[float]) -> float:
        """Fit the slope of the logarithms: 1 where twice as much takes twice as long."""
        found: float = np.polyfit(np.log(self.at), np.log(values), 1)[0]
        return found

    @property
    def time_slope(self) -> float:
        return self.slope(self.seconds)

    @property
    def memory_slope(self) -> float | None:
        known = [peak for peak in self.peaks if peak]
        return self.slope(known) if len(known) == len(self.at) else None


def lines(results: Results) -> Iterator[Line]:
    """All lines that the cases give, three-dimensional ones."""
    records = [
        record
        for record in results.cases.values()
        if "operator" in record and len(record["shape"]) == 3 and record["operator"] != "copy"
    ]
    for over in PROPERTIES:
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(_others(record, over), []).append(record)
        for group in groups.values():
            points = {record[over]: record for record in group}
            if len(points) >= FEWEST[over]:
                yield _line(over, [points[value] for value in sorted(points)])


def _others(record: Record, over: str) -> str:
    hidden = {over, "shape"} if over == "voxels" else {over}
    return str([record[name] for name in FIXED if name not in hidden])


def _line(over: str, points: list[Record]) -> Line:
    ours = [point["measured"]["quicksilver"] for point in points]
    return Line(
        points[0]["operator"],
        over,
        [point[over] for point in points],
        [found["seconds"]["median"] for found in ours],
        [found["peak_bytes"] for found in ours],
    )
