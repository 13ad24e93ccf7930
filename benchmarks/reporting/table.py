"""The section of results on accuracy: means, aims, every pair, and how all of it was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from quicksilver.io.files import replacing

from ..measuring.place import Record
from ..registration.methods import PAPERS, PAPERS_PREDICTION

Means = dict[str, dict[str, float]]

HEADING = "## Accuracy"
COLUMNS = {  # entry of a record: its title and format
    "overlap": ("target overlap", "{:.4f}"),
    "dice": ("Dice", "{:.4f}"),
    "folded_voxels": ("folded voxels", "{:.1f}"),
    "folded_volume_mm3": ("non-diffeomorphic volume (mm3)", "{:.2f}"),
    "inverse_consistency_voxels": ("inverse consistency (voxels)", "{:.4f}"),
    "seconds": ("seconds", "{:.1f}"),
}
FOREWORD = """\
Target overlap and Dice are means over all non-zero labels of the target; the moving labels are
warped once by nearest neighbour, on the images' grid. Folds are counted by the ten
finite-difference Jacobians of the digital-diffeomorphism criterion, on the grid on which a method
computes: the working grid for ours, the target's for SyN. Inverse consistency is the median in the
target's brain, in voxels of that grid. Seconds are those of computing both maps, without start-up,
reading and writing; nothing else is removed from them, so that other programs on the same cores
make them too long (the load is given).

`python -m benchmarks.accuracy` writes this section; the JSON file beside it holds every result with
its settings.
"""


def with_section(path: Path, text: str, heading: str = HEADING) -> None:
    """Put the section in place of the one that a Markdown file has, or at its end."""
    before = path.read_text() if path.exists() else "# Results\n"
    text = f"{heading}\n\n{text}"
    pattern = rf"^{heading}\n.*?(?=^## |\Z)"
    after, count = re.subn(pattern, lambda _: text + "\n", before, flags=re.M | re.S)
    with replacing(path) as temporary:
        temporary.write_text((after if count else f"{before}\n{text}").rstrip() + "\n")


def section(records: dict[str, list[Record]], pairs: int, missing: dict[str, str]) -> str:
    """The section's text. records: of every chosen method, by its name on the command line."""
    found = {name: results for name, results in records.items() if results}
    means = {name: _mean(results) for name, results in found.items()}
    common = set.intersection(*({name_pair(r) for r in results} for results in found.values()))
    alike = {
        name: [r for r in results if name_pair(r) in common] for name, results in found.items()
    }
    lines = [FOREWORD, *_means_table(found, means, pairs, missing), ""]
    lines += [f"### Aims, over the {len(common)} pairs that every method has", ""]
    judged = {name: _mean(results) for name, results in alike.items() if results}
    lines += head(["what", "aim", "measured", ""])
    lines += [*(cells(aim.cells()) for aim in aims(judged, _spacing(found))), ""]
    lines += ["### Every pair", "", *_pairs_table(found), ""]
    lines += ["### Settings", "", *(_settings(results) for results in found.values())]
    return "\n".join(lines) + "\n"


def _mean(results: list[Record]) -> dict[str, float]:
    return {name: mean(record[name] for record in results) for name in COLUMNS}


def _row(first: list[str], values: dict[str, float]) -> str:
    return cells([*first, *(form.format(values[name]) for name, (_, form) in COLUMNS.items())])


def cells(values: list[str]) -> str:
    return f"| {' | '.join(values)} |"


def head(titles: list[str]) -> list[str]:
    return [cells(titles), "|" + "---|" * len(titles)]


def _means_table(
    found: dict[str, list[Record]], means: Means, pairs: int, missing: dict[str, str]
) -> list[str]:
    lines = head([f"mean over {pairs} pairs", *(title for title, _ in COLUMNS.values())])
    for name, results in found.items():
        partly = f" ({len(results)} of {pairs} pairs)" if len(results) < pairs else ""
        lines.append(_row([results[0]["method"] + partly], means[name]))
    for method, reason in missing.items():
        lines.append(cells([method, f"missing: {reason}", *[""] * (len(COLUMNS) - 1)]))
    return lines


def _pairs_table(found: dict[str, list[Record]]) -> list[str]:
    lines = head(["pair", "method", *(title for title, _ in COLUMNS.values())])
    everything = [record for results in found.values() for record in results]
    order = {name_pair(record): None for record in everything}
    for pair in order:
        lines += [_row([pair, r["method"]], r) for r in everything if name_pair(r) == pair]
    return lines


def name_pair(record: Record) -> str:
    """Name the pair of a record, as on the command line."""
    return f"{record['moving']}:{record['target']}"


def _spacing(found: dict[str, list[Record]]) -> float:
    """Return the spacing of the correction's working grid, mm, which sets the aim for seconds."""
    return (
        found["correction"][0]["details"]["working_spacing_mm"][0] if "correction" in found else 2.0
    )


class Aim(NamedTuple):
    """value: None where a method that it needs has no result on some pair."""

    what: str
    value: float | None
    sense: str
    limit: float

    def cells(self) -> list[str]:
        """A row of the table of aims."""
        wanted = f"{self.sense} {self.limit:g}"
        if self.value is None:
            return [self.what, wanted, "not measured", ""]
        over, under = self.value >= self.limit, self.value <= self.limit
        met = over if self.sense == ">=" else under
        return [self.what, wanted, f"{self.value:.4g}", "met" if met else "not met"]


@dataclass(frozen=True)
class Figures:
    """What the aims are judged by, of the means of the methods."""

    means: Means

    def of(self, name: str, entry: str = "overlap") -> float:
        """Return a mean of a method."""
        return self.means[name][entry]

    def above_syn(self, name: str) -> float:
        """Return the overlap above that of SyN."""
        return self.of(name) - self.of("syn")

    def gain(self, name: str) -> float:
        """Return the gain over the affine alignment, in percent of that of the LDDMM fits."""
        return 100 * (self.of(name) - self.of("affine")) / (self.of("lddmm") - self.of("affine"))

    def closed(self, prediction: str, correction: str) -> float:
        """Return what a correction closes of the gap that the prediction leaves, in percent."""
        left = self.of("lddmm") - self.of(prediction)
        return 100 * (self.of(correction) - self.of(prediction)) / left

    def times_syn(self, name: str) -> float:
        """Return the seconds over those of SyN."""
        return self.of(name, "seconds") / self.of("syn", "seconds")


ABOVE, PART = "overlap above SyN", "% of the LDDMM gain over affine"
CLOSED = "% closed of the gap that the prediction leaves"


def aims(means: Means, spacing: float) -> list[Aim]:
    """List the aims for the means of the methods. spacing: of the model's grid, mm."""
    figures = Figures(means)
    most = 0.2 if spacing > 1.5 else 1.5  # SyN's defaults stop at 2 mm too
    closed = _known(partial(figures.closed, "prediction", "correction"))
    seconds = _known(partial(figures.times_syn, "correction"))
    found = [
        Aim(f"LDDMM: {ABOVE}", _known(partial(figures.above_syn, "lddmm")), ">=", 0.01),
        Aim(f"correction: {PART}", _known(partial(figures.gain, "correction")), ">=", 85),
        Aim(f"correction: {CLOSED}", closed, ">=", 50),
        Aim(f"correction at {spacing:g} mm: seconds over SyN's", seconds, "<=", most),
        Aim(f"refined: {PART}", _known(partial(figures.gain, "refine")), ">=", 97),
        Aim(f"refined: {ABOVE}", _known(partial(figures.above_syn, "refine")), ">=", 0),
    ]
    return found + _aims_of_the_paper(figures) + _aims_at_1_mm(figures) + _aims_of_maps(figures)


def _aims_of_the_paper(figures: Figures) -> list[Aim]:
    if PAPERS not in figures.means:
        return []
    closed = _known(partial(figures.closed, PAPERS_PREDICTION, PAPERS))
    alone, corrected = (_known(partial(figures.gain, name)) for name in (PAPERS_PREDICTION, PAPERS))
    return [
        Aim(f"{PAPERS_PREDICTION}: {PART}", alone, ">=", 55),
        Aim(f"{PAPERS}: {PART}", corrected, ">=", 75),
        Aim(f"{PAPERS}: {CLOSED}", closed, ">=", 50),
    ]


def _aims_at_1_mm(figures: Figures) -> list[Aim]:
    found = []
    for name in (name for name in figures.means if name.endswith("-1mm")):
        gain, seconds = partial(figures.gain, name), partial(figures.times_syn, name)
        found += [
            Aim(f"{name}: {PART}", _known(gain), ">=", 85),
            Aim(f"{name}: seconds over SyN's", _known(seconds), "<=", 1.5),
        ]
    return found


def _aims_of_maps(figures: Figures) -> list[Aim]:
    found = []
    for name in (name for name in figures.means if name not in ("affine", "syn")):
        folded = figures.of(name, "folded_volume_mm3")
        undone = figures.of(name, "inverse_consistency_voxels")
        found += [
            Aim(f"{name}: non-diffeomorphic volume (mm3)", folded, "<=", 0),
            Aim(f"{name}: median inverse consistency (voxels)", undone, "<=", 0.1),
        ]
    return found


def _known(value: Callable[[], float]) -> float | None:
    try:
        return value()
    except (KeyError, ZeroDivisionError):
        return None


def _settings(results: list[Record]) -> str:
    first, last = results[0], results[-1]
    loads = [record["load_average"] for record in results]
    stated = json.dumps({**first["settings"], **first["details"]})
    return (
        f"* {first['method']}: {first['version']}, {first['date'][:10]} to {last['date'][:10]}, "
        f"{first['processor']}, {first['cores']} cores, load {min(loads):.1f} to {max(loads):.1f}; "
        f"`{stated}`"
    )
