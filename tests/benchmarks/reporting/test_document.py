"""The page made of results."""

from __future__ import annotations

from benchmarks.measuring import machine
from benchmarks.operators import cases
from benchmarks.reporting import document, results
from benchmarks.reporting.targets import TARGETS
from tests.benchmarks.figures import SMALL, figure


def test_page(tmp_path):
    """From two cases and a registration: tables, plots and rows for what was not measured."""
    found = results.Results(tmp_path / "here.json")
    for case in (cases.Case("copy"), cases.Case("warp")):
        about = {"version": "1", "date": "2026-01-01", "load_average": [0, 0]}
        found.add(case.name, {**case.measure(SMALL), **about}, machine.machine())
    whole = {"measured": {"quicksilver": figure(2.0)}, "missing": {"ANTs SyN": "is not here"}}
    whole |= {"stages": {"predict": 1.5, "shoot": 0.5}, "volumes_per_hour": {"quicksilver": 1800}}
    found.add("register, some", {**whole, "spacing": 2.0, **about}, machine.machine())
    document.write_document(tmp_path / "page.md", tmp_path)
    text = (tmp_path / "page.md").read_text()
    assert "| warp, 160 x 192 x 160 |" in text
    assert "grid_sample: " in text
    assert text.count("| not measured: ") == len(TARGETS) - 2  # warp against two peers
    assert "ANTs SyN (is not here)" in text
    assert "predict 1.50" in text
    plots = list((tmp_path / "page").glob("*.svg"))
    assert {plot.stem for plot in plots} == {"here-roofline", "here-stages"}
    assert all(f"(page/{plot.name})" in text for plot in plots)
