"""Plots of a device's results: achieved against floor, scaling, stages."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from quicksilver.io.files import replacing

from .results import Results
from .scaling import PROPERTIES, lines
from .summary import copy_rate, rate

STYLE = {"svg.fonttype": "none", "svg.hashsalt": "quicksilver", "font.size": 9}


def draw(results: Results, folder: Path, stem: str) -> dict[str, str]:
    """Draw the plots that the results allow; return their titles by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, (title, plot) in {
        "roofline": ("Achieved against the floor", roofline),
        "scaling": ("Scaling", scaling),
        "stages": ("Stages", stages),
    }.items():
        with matplotlib.rc_context(STYLE):
            figure = plot(results)
            if figure is not None:
                file = folder / f"{stem}-{name}.svg"
                with replacing(file) as temporary:
                    figure.savefig(temporary, metadata={"Date": None})
                drawn[file.name] = title
    return drawn


def roofline(results: Results) -> Figure | None:
    """Seconds of every operator at one size over the bytes counted; the line is the copy's rate."""
    copied = copy_rate(results)
    points = [
        (record["operator"], record["bytes"], record["bytes"] / found)
        for record in results.cases.values()
        if (found := rate(record)) and record["operator"] != "copy" and len(record["shape"]) == 3
    ]
    if not points or not copied:
        return None
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for operator in dict.fromkeys(point[0] for point in points):
        own = [(size, seconds) for name, size, seconds in points if name == operator]
        axes.loglog(*zip(*own, strict=True), "o", markersize=4, label=operator)
    ends = [min(p[1] for p in points), max(p[1] for p in points)]
    axes.loglog(ends, [end / copied for end in ends], "k-", label=f"copy, {copied / 1e9:.1f} GB/s")
    axes.set_xlabel("bytes counted")
    axes.set_ylabel("seconds")
    figure.legend(loc="outside right upper", fontsize=7)
    return figure


def scaling(results: Results) -> Figure | None:
    """Seconds over voxels, steps, batch and threads, one plot for each."""
    found = list(lines(results))
    if not found:
        return None
    figure = Figure(figsize=(9, 7), layout="constrained")
    for over, axes in zip(PROPERTIES, figure.subplots(2, 2).flat, strict=True):
        for line in (line for line in found if line.over == over):
            label = f"{line.operator}, slope {line.time_slope:.2f}"
            axes.loglog(line.at, line.seconds, "o-", markersize=4, label=label)
        axes.set_xlabel(over)
        axes.set_ylabel("seconds")
        if axes.lines:
            axes.legend(fontsize=7)
    return figure


def stages(results: Results) -> Figure | None:
    """Seconds per stage of whole registrations and fits, one bar for each."""
    found = {name: r["stages"] for name, r in results.cases.items() if "stages" in r}
    if not found:
        return None
    figure = Figure(figsize=(9, 1 + 0.6 * len(found)), layout="constrained")
    axes = figure.subplots()
    names = dict.fromkeys(stage for seconds in found.values() for stage in seconds)
    begin = dict.fromkeys(found, 0.0)
    for number, stage in enumerate(names):
        widths = [seconds.get(stage, 0.0) for seconds in found.values()]
        axes.barh(list(found), widths, left=list(begin.values()), label=stage, color=f"C{number}")
        begin = {case: begin[case] + w for case, w in zip(found, widths, strict=True)}
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    figure.legend(loc="outside lower center", ncols=min(len(names), 8), fontsize=7)
    return figure
