"""Write the overview of a cohort: summary.csv, and index.html with every pair's picture, worst
first.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from quicksilver.cohort.pairs import PairPaths
from quicksilver.cohort.run import FAILURES
from quicksilver.errors import escape
from quicksilver.io.files import RESULT, replacing
from quicksilver.registration.quality import Energies, Quality
from quicksilver.registration.verdict import LEVELS, Verdict

COLUMNS = (
    "id",
    "status",
    "verdict",
    "reasons",
    "overlap_before",
    "overlap",
    "mismatch_ratio",
    "folded_voxels",
    "inverse_consistency_voxels",
    "largest_displacement_mm",
    "log_jacobian_sd",
    "seconds",
    "moving",
    "target",
    "error",
)
"""Of summary.csv. mismatch_ratio: squared difference after over before. inverse_consistency_voxels:
its median in the brain."""

Row = dict[str, Any]


def write_page(pairs: Sequence[PairPaths], folder: Path) -> list[Row]:
    """Write both files from the results of all processes in `folder`; return the rows."""
    rows = sorted((_make_row(pair, folder) for pair in pairs), key=_rank_badness, reverse=True)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    page = files("quicksilver.cohort").joinpath("page.html").read_text(encoding="utf-8")
    content = json.dumps({"columns": COLUMNS, "rows": rows}).replace("<", "\\u003c")
    for name, text in (
        ("summary.csv", table.getvalue()),
        ("index.html", page.replace("{{content}}", content)),
    ):
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return rows


def _make_row(pair: PairPaths, folder: Path) -> Row:
    row: Row = {"id": pair.id, "moving": str(pair.moving), "target": str(pair.target)}
    row = {name: escape(value) for name, value in row.items()}
    failure = folder / FAILURES / f"{pair.id}.txt"
    if failure.exists():
        return {**row, "status": "failed", "error": failure.read_text(errors="replace").strip()}
    try:
        return {**row, **_read_numbers(json.loads((folder / pair.id / RESULT).read_text()))}
    except FileNotFoundError:
        return {**row, "status": "missing"}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        damaged = f"expected the numbers of a registration in {pair.id}/{RESULT}, found others"
        return {**row, "status": "missing", "error": f"{escape(damaged)}; remove it, run again"}


def _read_numbers(summary: dict[str, Any]) -> Row:
    """Return the columns of a row that result.json fills."""
    energies, quality = Energies(**summary["energies"]), Quality.from_json(summary["quality"])
    overlap = summary.get("overlap", {})
    verdict = Verdict.from_json(summary.get("verdict", {"level": "", "reasons": ()}))
    return {
        "status": "done",
        "verdict": verdict.level,
        "reasons": "; ".join(verdict.reasons),
        **{name: round(overlap[k], 4) for k, name in _OVERLAPS if k in overlap},
        "mismatch_ratio": round(energies.mismatch_ratio, 4),
        "folded_voxels": quality.folded_voxels,
        "inverse_consistency_voxels": round(quality.inverse_consistency_voxels.median, 5),
        "largest_displacement_mm": round(quality.displacement_mm.max, 3),
        "log_jacobian_sd": round(quality.log_jacobian_sd, 4),
        "seconds": round(summary["seconds"]["total"], 2),
    }


_OVERLAPS = (("before", "overlap_before"), ("after", "overlap"))


def _rank_badness(row: Row) -> tuple[bool, int, int, float]:
    """Rank failures first, then verdicts, then folds, then what is least alike."""
    alike = 1 - row["overlap"] if "overlap" in row else row.get("mismatch_ratio", 0.0)
    verdict = LEVELS.index(row["verdict"]) if row.get("verdict") in LEVELS else 0
    return row["status"] != "done", verdict, row.get("folded_voxels", 0), alike
