"""The page of all devices' results, docs/benchmarks.md, and its plots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from quicksilver.io.files import replacing

from .plots import draw
from .results import Results, read_results
from .scaling import lines
from .summary import copy_rate, milliseconds, peers, rate
from .table import cells, head
from .targets import TARGETS

FOREWORD = """\
# Benchmarks

`python -m benchmarks` measures all of this again, on whatever machine it is called, and writes this
page from the JSON files in `benchmarks/results/`; `--pair MOVING TARGET` names the two aligned
brains to register, `--compare OLD.json` says what became slower. How it is measured:

* What is compared runs in turn (A B A B ...) on the same inputs after a warm-up; a ratio is the
  median over pairs of runs, with quartiles. On CUDA between events around recorded graphs.
* Inputs are noise and smooth displacements, never zeros, and so many sets of them in turn that they
  exceed the last cache four times.
* Bytes are counted, not measured: every field that an operator must read or write, once
  (`benchmarks/operators/floors.py`). "Of copy" is their rate over that of `torch.Tensor.copy_` in
  the same run.
* Memory is the most that is held during a call beyond what was there before, the result included:
  what torch allocates on CUDA, what is resident on the CPU.
* A peer is called as its users call it, with everything ready that they could have ready
  (`benchmarks/operators/peers.py`). "Difference" is the largest between its result and ours.
"""


def write_document(path: Path, folder: Path, small: bool = False) -> None:
    """path: of the page, its plots beside it in a folder of its name. folder: of the JSON files."""
    found = (read_results(file) for file in sorted(folder.glob("*.json")) if _is_ours(file))
    parts = [FOREWORD]
    for results in (results for results in found if results.small == small):
        plots = draw(results, path.with_suffix(""), results.path.stem)
        links = [f"![{title}]({path.stem}/{file})\n" for file, title in plots.items()]
        parts += ["\n".join(device(results)), *links]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(parts))


def _is_ours(file: Path) -> bool:
    return "cases" in json.loads(file.read_text())


def device(results: Results) -> Iterator[str]:
    """Write the section of one device."""
    where = results.machine
    threads = where["quicksilver"]["cpu"]["threads"]
    loads = [load for record in results.cases.values() for load in record["load_average"]]
    dates = sorted(record["date"][:10] for record in results.cases.values())
    versions = sorted({record["version"] for record in results.cases.values()})
    yield f"## {where['gpu'] or where['processor']}\n"
    yield (
        f"{dates[0]} to {dates[-1]}, {'; '.join(versions)}; {where['processor']}, {where['cores']} "
        f"cores, {threads} threads, load average from {min(loads):.1f} to {max(loads):.1f}; torch "
        f"{where['quicksilver']['torch']}, Python {where['python']}, "
        + ", ".join(f"{name} {version}" for name, version in where["peers"].items())
        + ".\n"
    )
    if not where["gpu"] and not results.small:
        yield from ["### Aims", "", *head(["what", "aim", "measured", ""])]
        yield from [*(cells(target.row(results)) for target in TARGETS), ""]
    yield from operators(results)
    yield from missing(results)
    yield from growth(results)
    yield from whole(results)


def operators(results: Results) -> Iterator[str]:
    copied = copy_rate(results)
    titles = [
        "case",
        "ms, median (quartiles)",
        "GB/s",
        "of copy",
        "memory, MB",
        "peers' times ours",
    ]
    yield from ["### Operators", "", *head([*titles, "difference"])]
    for name, record in results.cases.items():
        own = rate(record)
        if own is None:
            continue
        ours = record["measured"]["quicksilver"]
        peak, apart = ours["peak_bytes"], record["largest_difference"]
        values = [name, milliseconds(ours["seconds"]), f"{own / 1e9:.1f}"]
        values += [f"{own / copied:.2f}" if copied else ""]
        values += ["" if peak is None else f"{peak / 2**20:.0f}", peers(record)]
        yield cells([*values, f"{max(apart.values()):.2g}" if apart else ""])
    yield ""


def missing(results: Results) -> Iterator[str]:
    """Say which peers could not be measured, and why."""
    reasons = {n: why for r in results.cases.values() for n, why in r["missing"].items()}
    if reasons:
        yield "Missing: " + "; ".join(f"{name} ({why})" for name, why in reasons.items()) + ".\n"


def growth(results: Results) -> Iterator[str]:
    found = list(lines(results))
    if not found:
        return
    yield from [
        "### Scaling",
        "",
        "Slopes of the logarithms: 1 where twice as much takes twice as long.",
        "",
    ]
    yield from head(["operator", "over", "from", "to", "slope of time", "slope of memory"])
    for line in found:
        ends = [f"{line.at[0]:,}", f"{line.at[-1]:,}"]
        memory = line.memory_slope
        slopes = [f"{line.time_slope:.2f}", "" if memory is None else f"{memory:.2f}"]
        yield cells([line.operator, line.over, *ends, *slopes])
    yield ""


def whole(results: Results) -> Iterator[str]:
    chosen = {name: r for name, r in results.cases.items() if "volumes_per_hour" in r}
    yield from ["### End to end", "", *head(["what", "seconds", "volumes per hour", "of which"])]
    for name, record in chosen.items():
        for program, found in record["measured"].items():
            stages = record["stages"] if program == "quicksilver" else {}
            parts = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items())
            median = found["seconds"]["median"]
            hours = f"{record['volumes_per_hour'][program]:.0f}"
            yield cells([f"{name}: {program}", f"{median:.2f}", hours, parts])
    yield ""
    for name, record in results.cases.items():
        if "per_second" in record:
            yield (
                f"{name}: {record['per_second']:.3g} {record['unit']} per second, batches of "
                f"{record['batch']}, {record['recipe']['network']['features']} features, forward, "
                "backward and update.\n"
            )
