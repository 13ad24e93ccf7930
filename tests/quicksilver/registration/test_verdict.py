"""Verdicts: one reason at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quicksilver.registration.evaluation import Spread
from quicksilver.registration.pair import Placement
from quicksilver.registration.quality import Energies, Quality
from quicksilver.registration.verdict import Verdict, reach_verdict

SPREAD = Spread(median=0.1, mean=0.1, max=1.0)
PLACEMENT = Placement(affine_similarity=0.9)
ENERGIES = Energies(1.0, mismatch_before=9.0, mismatch_after=4.0, lddmm_before=9, lddmm_after=5)
QUALITY = Quality(0, 0.0, SPREAD, 0.1, SPREAD, 0, correlation=0.95, brain_overlap=0.98)


def test_nothing_against_it_is_good():
    assert reach_verdict(PLACEMENT, ENERGIES, QUALITY) == Verdict("good")


@pytest.mark.parametrize(
    ("changed", "level", "reason"),
    [
        ({"affine": np.diag([1.4, 1, 1, 1])}, "doubtful", "factor of 1.40"),
        ({"affine": np.diag([0.4, 0.4, 0.4, 1])}, "failed", "factor of 2.50"),
        ({"affine": np.diag([-1.0, 1, 1, 1])}, "doubtful", "left and right"),
        ({"affine_similarity": 0.8}, "doubtful", "unlike"),
        ({"affine_similarity": 0.5}, "failed", "unlike"),
        ({"mismatch_after": 9.5}, "doubtful", "differ more"),
        ({"lddmm_after": 9.5}, "doubtful", "energy"),
        ({"correlation": 0.4}, "doubtful", "correlate by only 0.40"),
        ({"correlation": -0.4}, "failed", "correlate by only -0.40"),
        ({"brain_overlap": 0.8}, "doubtful", "overlap by only 0.80"),
        ({"brain_overlap": 0.5}, "failed", "overlap by only 0.50"),
        ({"folded_voxels": 3}, "failed", "3 voxels fold"),
        ({"damping_rounds": 9}, "doubtful", "9 rounds"),
    ],
)
def test_each_reason(changed, level, reason):
    parts = [
        replace(part, **{k: v for k, v in changed.items() if k in vars(part)})
        for part in (PLACEMENT, ENERGIES, QUALITY)
    ]
    found = reach_verdict(*parts)
    assert found.level == level
    assert len(found.reasons) == 1
    assert reason in found.reasons[0]


def test_json_and_back():
    verdict = Verdict("doubtful", ("one", "two"))
    assert Verdict.from_json(verdict.to_json()) == verdict
