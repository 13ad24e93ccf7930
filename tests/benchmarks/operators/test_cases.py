"""Every operator is measured, beside those peers that are there."""

from __future__ import annotations

import sys

import pytest

import quicksilver_ext as qs
from benchmarks.operators import cases, ours
from tests.benchmarks.figures import CPU, SMALL

NO_OPERATORS = {
    *("FluidMetric", "GeodesicShooting", "OutOfGridWarning", "SpatialTransformer"),
    *("VectorIntegration", "Warp"),
    *("from_grid_sample", "from_icon", "to_grid_sample", "to_icon"),
    *("info", "patch_corners", "smooth_size"),
}


def test_every_operator_is_measured():
    names = {case.operator for case in cases.cases(CPU)}
    assert set(qs.operators.__all__) - NO_OPERATORS <= names
    assert len({case.name for case in cases.cases(CPU)}) == len(cases.cases(CPU))


@pytest.mark.parametrize("operator", ours.OURS)
def test_case(operator):
    record = cases.Case(operator, (20, 22, 24), 2 if operator == "warp" else 3).measure(SMALL)
    assert record["bytes"] > 0
    assert record["input_sets"] >= 2
    for measured in record["measured"].values():
        assert 0 < measured["seconds"]["quartile_low"] <= measured["seconds"]["median"]
    assert all(isinstance(reason, str) for reason in record["missing"].values())
    known = {"VoxelMorph SpatialTransformer"}  # other borders
    for peer, difference in record["largest_difference"].items():
        assert peer in known or difference < 1e-3, peer


def test_missing_peer_is_said_to_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai", None)
    monkeypatch.setitem(sys.modules, "monai.networks.blocks", None)
    record = cases.Case("warp", (20, 22, 24)).measure(SMALL)
    assert "monai" in record["missing"]["MONAI Warp"]
    assert "MONAI Warp" not in record["measured"]
    assert "grid_sample" in record["measured"]
