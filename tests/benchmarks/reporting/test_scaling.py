"""Slopes of time over size."""

from __future__ import annotations

import pytest

from benchmarks.reporting import results, scaling
from tests.benchmarks.figures import figure


def test_slopes(tmp_path):
    found = results.Results(tmp_path / "scaling.json")
    for n in (10, 20, 40, 80):
        case = {"operator": "warp", "shape": [n] * 3, "voxels": n**3, "batch": 1, "channels": 3}
        case |= {"dtype": "float32", "steps": 10, "threads": 2}
        found.cases[str(n)] = {**case, "measured": {"quicksilver": figure(1e-9 * n**3)}}
    [line] = scaling.lines(found)
    assert line.over == "voxels"
    assert line.time_slope == pytest.approx(1.0)
