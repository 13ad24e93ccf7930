"""The results of a device: a JSON file that is whole at any time, and what became slower between
two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import write_json

from ..measuring.place import Record

SLOWER = 1.10
ENTRIES = ("version", "date", "load_average", "measured", "missing")


class Results:
    """`machine` and, by name, the records of all cases measured so far."""

    def __init__(self, path: Path, small: bool = False) -> None:
        self.path = path
        self.machine: Record = {}
        self.cases: dict[str, Record] = {}
        if path.exists():
            content = json.loads(path.read_text())
            if content.get("small") == small and "cases" in content:
                self.machine, self.cases = content["machine"], content["cases"]
        self.small = small

    def has(self, name: str, version: str) -> bool:
        """Tell whether a case was measured with this version; never for sources that no commit
        describes.
        """
        known = self.cases.get(name, {}).get("version")
        return known == version and not version.endswith("-dirty")

    def add(self, name: str, record: Record, machine: Record) -> None:
        """Keep a record, in the place of an older one, and write all of them."""
        self.machine = machine
        self.cases[name] = record
        content = {"machine": self.machine, "small": self.small, "cases": self.cases}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, content)


def read_results(path: Path) -> Results:
    """Read a file of results; raise QuicksilverError where it is something else."""
    try:
        content = json.loads(path.read_text())
        found = Results(path, content["small"])
        content["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QuicksilverError(
            f"expected {path} to hold the results of a benchmark, found '{error}'; "
            "give a file of benchmarks/results"
        ) from error
    return found


def incomplete(results: Results, expected: Iterable[str]) -> list[str]:
    """List what a file of results lacks: cases, figures, or plausible values."""
    found = [f"{name}: not measured" for name in expected if name not in results.cases]
    for name, record in results.cases.items():
        found += [f"{name}: {entry} is missing" for entry in ENTRIES if entry not in record]
        figures = record.get("measured", {})
        if "per_second" not in record and "quicksilver" not in figures:
            found.append(f"{name}: ours is missing")
        for program, figure in figures.items():
            seconds = figure["seconds"]
            low, middle, high = (seconds[k] for k in ("quartile_low", "median", "quartile_high"))
            if not (0 < low <= middle <= high < float("inf")):
                found.append(f"{name}, {program}: {seconds}")
    return found


def slower(old: Results, new: Results) -> tuple[list[str], float]:
    """A line for each case in which ours became slower, and how many times as long the peers, whose
    code did not change, took (the median): what the machine itself did.

    Slower: by more than a tenth of the old median and by more than the noise, half of both
    interquartile ranges together.
    """
    lines, drifts = [], []
    for name in sorted(old.cases.keys() & new.cases.keys()):
        before, after = (results.cases[name]["measured"] for results in (old, new))
        for program in before.keys() & after.keys():
            first, second = before[program]["seconds"], after[program]["seconds"]
            times = second["median"] / first["median"]
            if program != "quicksilver":
                drifts.append(times)
            elif second["median"] > SLOWER * first["median"] + _noise(first) + _noise(second):
                lines.append(
                    f"{name}: {1e3 * second['median']:.4g} ms, {times:.2f} times the "
                    f"{1e3 * first['median']:.4g} ms before"
                )
    return lines, sorted(drifts)[len(drifts) // 2] if drifts else 1.0


def _noise(seconds: dict[str, float]) -> float:
    return (seconds["quartile_high"] - seconds["quartile_low"]) / 2
