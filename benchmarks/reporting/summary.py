"""The figures of a case as text, for the console and the tables."""

from __future__ import annotations

from ..measuring.place import Record
from .results import Results


def milliseconds(seconds: dict[str, float]) -> str:
    """Median and quartiles."""
    low, middle, high = (
        1e3 * seconds[name] for name in ("quartile_low", "median", "quartile_high")
    )
    return f"{middle:.4g} ({low:.3g} to {high:.3g})"


def rate(record: Record) -> float | None:
    """Counted bytes per second."""
    if "bytes" not in record:
        return None
    found: float = record["bytes"] / record["measured"]["quicksilver"]["seconds"]["median"]
    return found


def copy_rate(results: Results) -> float | None:
    """Return the rate of the largest copy of the run."""
    rates = [rate(record) for name, record in results.cases.items() if name.startswith("copy")]
    return max(filter(None, rates), default=None)


def peers(record: Record) -> str:
    """List how many times as long each peer takes, with quartiles."""
    return ", ".join(
        "{}: {median:.2f} ({quartile_low:.2f} to {quartile_high:.2f})".format(
            name, **found["times_ours"]
        )
        for name, found in record["measured"].items()
        if name != "quicksilver"
    )


def line(name: str, results: Results) -> str:
    """Summarise a case in one line for the console."""
    record = results.cases[name]
    if "per_second" in record:
        return f"{name:45} {record['per_second']:.3g} {record['unit']} per second"
    ours = record["measured"]["quicksilver"]
    parts = [f"{name:45} {1e3 * ours['seconds']['median']:9.2f} ms"]
    copied, own = copy_rate(results), rate(record)
    if copied and own:
        parts.append(f"{own / 1e9:6.1f} GB/s, {own / copied:.2f} of copy")
    return "  ".join([*parts, peers(record)])
