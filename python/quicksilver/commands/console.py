"""Show progress while the command line works, and tables when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from quicksilver.errors import escape
from quicksilver.results.summary import make_tables
from quicksilver.runtime.speed import Timing
from quicksilver.runtime.stages import Detail
from quicksilver.runtime.stages import Progress as Tell


class Clock:
    """Estimates the time left of a stage from the parts of it that are done."""

    def __init__(self) -> None:
        self._begin: tuple[float, float] | None = None

    def estimate(self, part: float) -> str:
        """Say how long the rest takes at the pace since the first part; nothing at that."""
        now = time.monotonic()
        if self._begin is None:
            self._begin = now, part
        seconds, done = now - self._begin[0], part - self._begin[1]
        if done <= 0:
            return ""
        return f"{timedelta(seconds=round(seconds * (1 - part) / done))} left"


@contextmanager
def progress() -> Iterator[Tell]:
    """Show one line per stage, on the standard error stream: its running time, its details and,
    where they say how much is done, the time left.
    """
    bars = Progress(
        SpinnerColumn(finished_text="[green]+[/]"),
        TextColumn("{task.description:<12}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[detail]}", markup=False),
        console=Console(stderr=True),
    )
    tasks: dict[str, Any] = {}
    clocks: dict[str, Clock] = {}

    def finish() -> None:
        for task in tasks.values():
            bars.update(task, total=1, completed=1, left="")

    def tell(stage: str, detail: str = "") -> None:
        if stage not in tasks:
            finish()
            tasks[stage] = bars.add_task(stage, total=None, detail="", left="")
            clocks[stage] = Clock()
        left = clocks[stage].estimate(detail.part) if isinstance(detail, Detail) else ""
        bars.update(tasks[stage], detail=escape(detail), left=left)

    with bars:
        yield tell
        finish()


def show_registration(summary: dict[str, Any], settings: bool = False) -> None:
    """Print seconds per stage and the quality of a registration (the content of result.json), and
    its settings where they are wanted.
    """
    found = make_tables(summary)
    shown = []
    for title in ("time", "quality", "settings")[: 2 + settings]:
        shown.append(Table(show_header=False, title=title))
        for row in found[title]:
            shown[-1].add_row(*row)
    Console().print(*shown)


def show_facts(title: str, facts: list[tuple[str, str]]) -> None:
    """Print rows of a name and what is said of it."""
    table = Table(show_header=False, title=title)
    for name, said in facts:
        table.add_row(name, escape(said))
    Console().print(table, markup=False)


def show_timings(timings: list[Timing], published: str, threads: int) -> None:
    """Print milliseconds beside those that are published, and their ratio."""
    here = f"here, {threads} thread{'s' if threads > 1 else ''}"
    table = Table("operator", here, published, "ratio", title="milliseconds, median")
    for each in timings:
        ratio = each.milliseconds / each.published
        numbers = f"{each.milliseconds:.4g}", f"{each.published:.4g}", f"{ratio:.2f}"
        table.add_row(each.case, *numbers)
    Console().print(table)


def show_evaluation(judged: dict[str, Any]) -> None:
    """Print the overlap per label, the means, and the regularity of the map."""
    table = Table(
        "label", "overlap before", "overlap", "Dice", "HD95 (mm)", title="overlap with the target"
    )
    for score in judged["labels"]:
        numbers = (score["overlap_before"], score["overlap"], score["dice"], score["hd95_mm"])
        table.add_row(str(score["label"]), *map(_three, numbers))
    after = judged["after"]
    table.add_section()
    table.add_row(
        "mean",
        *map(
            _three, (judged["before"]["overlap"], after["overlap"], after["dice"], after["hd95_mm"])
        ),
    )
    regularity = judged["map"]
    undone = regularity["inverse_consistency_mm"]
    facts = Table("measure of the map", "value")
    facts.add_row("folded voxels of the target's grid", str(regularity["folded_voxels"]))
    facts.add_row("non-diffeomorphic volume", f"{regularity['folded_volume_mm3']:.2f} mm3")
    facts.add_row("sd of log Jacobian", f"{regularity['log_jacobian_sd']:.3f}")
    facts.add_row(
        "inverse consistency, median and largest", f"{undone['median']:.3f}, {undone['max']:.3f} mm"
    )
    Console().print(table, facts)
    if "difference_mm" in judged:
        percentiles = Table("percentile of the distance to the other map", "mm")
        for percentile, value in judged["difference_mm"].items():
            percentiles.add_row(percentile, _three(value))
        Console().print(percentiles)


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
