"""Sections of docs/paper.md: the paper's experiments, ours beside the paper's where it is known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import mean

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from quicksilver.io.files import replacing
from quicksilver.registration.evaluation import PERCENTILES

from ..measuring.place import Record
from ..registration.paper import (
    CORRECTIONS,
    MODELS,
    PROBABILISTIC,
    REFERENCE,
    STRIDES,
    name_correction,
    name_prediction,
)
from .plots import STYLE
from .published import OVERLAPS, PAIRS
from .table import cells, head, name_pair

Records = dict[str, list[Record]]
"""The results of every method, one a pair."""

FIGURE = "paper-overlaps.svg"


def sections(records: Records) -> dict[str, str]:
    """Return the text of every section by its heading; `records`: of methods with some result."""
    corrected = [
        name
        for model in MODELS
        for name in (name_prediction(model), *(name_correction(model, n) for n in CORRECTIONS))
    ]
    return {
        "## Overlap": _overlap(records),
        "## Overlap of every pair": _pairs(records),
        "## Overlap over the labels": _labels(records),
        "## Determinants and folds": _determinants(records),
        "## Difference to the LDDMM solution": _differences(records),
        "## Stride": _some(records, [name_prediction(MODELS[0], stride) for stride in STRIDES]),
        "## Number of corrections": _some(records, corrected),
        "## Uncertainty and error": _uncertainty(records),
        "## Time": _seconds(records),
        "## How this was measured": _machines(records),
    }


def _overlap(records: Records) -> str:
    titles = [f"{name} ({count} pairs)" for name, count in PAIRS.items()]
    lines = head(["mean target overlap", "here", *(f"paper, {title}" for title in titles)])
    for name, found in records.items():
        theirs = OVERLAPS.get(name, {})
        published = [f"{theirs[data].mean:.4f}" if theirs else "" for data in PAIRS]
        lines.append(cells([_title(found), f"{_mean(found, 'overlap'):.4f}", *published]))
    return _text(lines)


def _pairs(records: Records) -> str:
    pairs = list(dict.fromkeys(name_pair(record) for found in records.values() for record in found))
    lines = head(["target overlap", *pairs])
    for found in records.values():
        by = {name_pair(record): f"{record['overlap']:.4f}" for record in found}
        lines.append(cells([_title(found), *(by.get(pair, "") for pair in pairs)]))
    return _text(lines)


def _labels(records: Records) -> str:
    lines = head(["overlap of labels", "lower quartile", "median", "upper quartile"])
    for found in records.values():
        quartiles = np.percentile(label_means(found), (25, 50, 75))
        lines.append(cells([_title(found), *(f"{value:.4f}" for value in quartiles)]))
    return _text([*lines, "", f"![Overlap over the labels, by method](images/{FIGURE})"])


def label_means(found: Iterable[Record]) -> list[float]:
    """Return the overlap of every label, its mean over the pairs whose target has it."""
    by: dict[str, list[float]] = {}
    for record in found:
        for label, overlap in record["overlaps"].items():
            by.setdefault(label, []).append(overlap)
    return [mean(overlaps) for overlaps in by.values()]


def draw_labels(records: Records, folder: Path) -> None:
    """Draw the distribution of the labels' overlaps by method, as the paper's box plots."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 1 + 0.3 * len(records)), layout="constrained")
        axes = figure.subplots()
        axes.boxplot(
            [label_means(found) for found in records.values()],
            orientation="horizontal",
            tick_labels=[_title(found) for found in records.values()],
            flierprops={"markersize": 3},
        )
        axes.invert_yaxis()
        axes.set_xlabel("target overlap of a label, mean over pairs")
        with replacing(folder / FIGURE) as temporary:
            figure.savefig(temporary, metadata={"Date": None})


def _determinants(records: Records) -> str:
    lines = head(
        ["in the brain", "smallest determinant", "SD of its logarithm", "folded voxels, mean"]
    )
    for found in records.values():
        smallest = min(record["smallest_determinant"] for record in found)
        values = [f"{smallest:.3f}", f"{_mean(found, 'log_jacobian_sd'):.3f}"]
        lines.append(cells([_title(found), *values, f"{_mean(found, 'folded_voxels'):.1f}"]))
    return _text(lines)


def _differences(records: Records) -> str:
    lines = head(["difference, mm, at percentile", *(f"{p:g}" for p in PERCENTILES)])
    for name, found in records.items():
        if name != REFERENCE:
            values = np.mean([record["difference_mm"] for record in found], axis=0)
            lines.append(cells([_title(found), *(f"{value:.3f}" for value in values)]))
    return _text(lines)


def _some(records: Records, names: list[str]) -> str:
    """Compare some methods by overlap, difference to the reference, and time."""
    lines = head(["", "target overlap", "median difference, mm", "seconds"])
    middle = PERCENTILES.index(50)
    for found in (records[name] for name in names if name in records):
        difference = mean(record["difference_mm"][middle] for record in found)
        values = [f"{_mean(found, 'overlap'):.4f}", f"{difference:.3f}"]
        lines.append(cells([_title(found), *values, f"{_mean(found, 'seconds'):.1f}"]))
    return _text(lines)


def _uncertainty(records: Records) -> str:
    if PROBABILISTIC not in records:
        return "Not measured. `--samples` says how often the model is asked.\n"
    lines = head(["pair", "rank correlation of standard deviation and difference"])
    found = records[PROBABILISTIC]
    lines += [cells([name_pair(r), f"{r['uncertainty_rank']:.3f}"]) for r in found]
    return _text(lines)


def _seconds(records: Records) -> str:
    lines = head(["", "seconds, mean over pairs"])
    lines += [cells([_title(f), f"{_mean(f, 'seconds'):.1f}"]) for f in records.values()]
    return _text(lines)


def _machines(records: Records) -> str:
    everything = [record for found in records.values() for record in found]
    lines = []
    for version in dict.fromkeys(record["version"] for record in everything):
        own = [record for record in everything if record["version"] == version]
        dates = sorted(record["date"][:10] for record in own)
        loads = [record["load_average"] for record in own]
        lines.append(
            f"* {version}: {dates[0]} to {dates[-1]}, {own[0]['processor']}, {own[0]['cores']} "
            f"cores, load {min(loads):.1f} to {max(loads):.1f}"
        )
    return _text(lines)


def _title(found: list[Record]) -> str:
    return str(found[0]["method"])


def _mean(found: list[Record], entry: str) -> float:
    return mean(record[entry] for record in found)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
