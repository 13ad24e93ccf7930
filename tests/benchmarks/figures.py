"""Made-up figures, and results that hold them."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.measuring.place import Place
from benchmarks.reporting.results import Results

CPU = torch.device("cpu")
SMALL = Place(CPU, small=True, budget=0.0)


def figure(seconds: float, noise: float = 0.0) -> dict:
    spread = {
        "median": seconds,
        "quartile_low": seconds - noise,
        "quartile_high": seconds + noise,
        "runs": 5,
    }
    return {"seconds": spread, "times_ours": spread, "peak_bytes": 0}


def kept(path: Path, **seconds: dict) -> Results:
    """A file of results: by case, what each program took."""
    found = Results(path)
    for name, measured in seconds.items():
        about = {"version": "1", "date": "2026-01-01", "load_average": [0, 0], "missing": {}}
        found.add(name, {"measured": measured, **about}, {"commit": "abc"})
    return found
