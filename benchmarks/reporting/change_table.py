"""The section of results on small changes: what of a known change was found, and what of none."""

from __future__ import annotations

from statistics import StatisticsError, linear_regression, mean, pstdev

from ..measuring.place import Record
from .table import cells, head

HEADING = "## Small changes"
FOREWORD = """\
An image after a change is registered to the one before; of every structure the logarithm of its
volume after over before is found as that of the mean Jacobian determinant of the map over its
labels before. Left and right count apart. Slope: of the changes found over the true ones, by
least squares with an intercept, 1 where all of a change is found. Error: root of the mean squared
difference of the two, in per cent of volume. Where nothing changed: mean and standard deviation
of the changes found, in per cent.

`python -m benchmarks.change` writes this section; the JSON file `change.json` beside it holds
every result with its settings.
"""
CHANGED = {
    "atrophy": "Simulated atrophy, 1 to 5 % of every structure",
    "geodesic": "Small random geodesics",
}
UNCHANGED = {
    "disturbed": "An image and itself as another scanner might have shown it",
    "rescan": "One person scanned twice",
}
Changes = list[tuple[float, float]]  # true and found


def section(records: list[Record]) -> str:
    """Write the section's text, of all results so far."""
    lines = [FOREWORD]
    for kinds, columns, row in (
        (CHANGED, ("slope", "error (%)"), rate_recovered),
        (UNCHANGED, ("mean (%)", "spread (%)"), rate_null),
    ):
        for kind, title in kinds.items():
            some = [record for record in records if record["kind"] == kind]
            if some:
                lines += [f"### {title}", "", *_table(some, columns, row), ""]
    return "\n".join([*lines, "### Settings of all methods", "", *_settings(records)]) + "\n"


def _table(records: list[Record], columns: tuple[str, str], row) -> list[str]:
    structures = list(dict.fromkeys(name.split()[1] for name in records[0]["truth"]))
    titles = [f"{name}: {column}" for name in structures for column in columns]
    people = len({(record["moving"], record["target"]) for record in records})
    lines = head([f"pairs: {people}", *titles, "seconds"])
    for method in dict.fromkeys(record["method"] for record in records):
        some = [record for record in records if record["method"] == method]
        values = [value for name in structures for value in row(list_changes(some, name))]
        seconds = f"{mean(record['seconds'] for record in some):.1f}"
        lines.append(cells([method, *values, seconds]))
    return lines


def list_changes(records: list[Record], structure: str) -> Changes:
    """List the true and the found changes of both sides of a structure, in all records."""
    return [
        (record["truth"][name], found)
        for record in records
        for name, found in record["found"].items()
        if name.split()[1] == structure and name in record["truth"]
    ]


def rate_recovered(pairs: Changes) -> tuple[str, str]:
    """Return slope and error of what was found of true changes."""
    true, found = zip(*pairs, strict=True)
    try:
        slope = f"{linear_regression(true, found).slope:.2f}"
    except StatisticsError:  # of one value there is none
        slope = "-"
    return slope, f"{100 * mean((b - a) ** 2 for a, b in pairs) ** 0.5:.2f}"


def rate_null(pairs: Changes) -> tuple[str, str]:
    """Return mean and spread of what was found where nothing changed."""
    found = [value for _, value in pairs]
    return f"{100 * mean(found):+.2f}", f"{100 * pstdev(found):.2f}"


def _settings(records: list[Record]) -> list[str]:
    last = {record["method"]: record for record in records}
    return [
        f"* {method}: {record['version']}, {record['date'][:10]}, {record['processor']}, "
        f"{record['cores']} cores, load {record['load_average']:.1f}; `{record['settings']}`"
        for method, record in last.items()
    ]
