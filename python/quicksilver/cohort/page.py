"""Write the overview of a cohort: summary.csv, and index.html, a table and pictures of all pairs,
worst first.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quicksilver.cohort.pairs import PairPaths
from quicksilver.cohort.run import FAILURES
from quicksilver.errors import escape
from quicksilver.io.files import RESULT, replacing
from quicksilver.registration.quality import Energies, Quality
from quicksilver.registration.verdict import LEVELS, Verdict
from quicksilver.results.html import write_html

COLUMNS = {
    "id": "name of the pair and of its folder",
    "status": "done; failed: see the error; missing: not registered yet",
    "verdict": "good; doubtful: look at it before you use it; failed: do not use it",
    "reasons": "what speaks against it",
    "overlap_before": "mean part of each target label that is covered, by the affine alone",
    "overlap": "the same by the whole map: 1 covers all",
    "mismatch_ratio": "squared difference of the images, after over before: less is more alike",
    "folded_voxels": "where space is turned inside out: 0 in a good map",
    "inverse_consistency_voxels": "what is left after going there and back, median in the brain",
    "largest_displacement_mm": "how far the deformation moves the brain, without the affine",
    "log_jacobian_sd": "spread of local growth and shrinkage: small is smooth",
    "seconds": "from reading to writing",
    "moving": "the image that is deformed",
    "target": "the image that it is brought to",
    "error": "why the pair could not be registered",
}
"""Meaning of the columns of summary.csv, in their order."""

Row = dict[str, Any]


def write_page(pairs: Sequence[PairPaths], folder: Path) -> list[Row]:
    """Write both files from the results of all processes in `folder`; return the rows."""
    rows = sorted((_make_row(pair, folder) for pair in pairs), key=_rank_badness, reverse=True)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, tuple(COLUMNS), restval="")
    writer.writeheader()
    writer.writerows(rows)
    content = {"columns": COLUMNS, "rows": [_drop_unknown(row) for row in rows]}
    with replacing(folder / "summary.csv") as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8", newline="")
    write_html(folder / "index.html", "quicksilver.cohort", "page", content)
    return rows


def _make_row(pair: PairPaths, folder: Path) -> Row:
    row: Row = {"id": pair.id, "moving": str(pair.moving), "target": str(pair.target)}
    row = {name: escape(value) for name, value in row.items()}
    failure = folder / FAILURES / f"{pair.id}.txt"
    if failure.exists():
        error = failure.read_text(encoding="utf-8", errors="replace").strip()
        return {**row, "status": "failed", "error": error}
    try:
        summary = json.loads((folder / pair.id / RESULT).read_text(encoding="utf-8"))
        return {**row, **_read_numbers(summary)}
    except FileNotFoundError:
        return {**row, "status": "missing"}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        damaged = f"expected the numbers of a registration in {pair.id}/{RESULT}, found others"
        return {**row, "status": "missing", "error": f"{escape(damaged)}; remove it, run again"}


def _drop_unknown(row: Row) -> Row:
    """Return a row without infinity and NaN, which JSON does not have."""
    return {
        name: value
        for name, value in row.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


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
