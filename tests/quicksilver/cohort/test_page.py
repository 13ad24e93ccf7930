"""The page of a cohort: the worst verdict comes first."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from quicksilver.cohort.page import write_page
from quicksilver.cohort.pairs import PairPaths
from quicksilver.registration.verdict import Verdict
from quicksilver.results.folder import save_registration


@pytest.fixture(scope="module")
def summary(registration, tmp_path_factory) -> dict:
    return save_registration(registration, tmp_path_factory.mktemp("one") / "out")


def test_pairs_are_sorted_by_their_verdict(summary, tmp_path):
    verdicts = {
        "fine": Verdict("good"),
        "wrong": Verdict("failed", ("the intensities correlate by only -0.40",)),
        "odd": Verdict("doubtful", ("one", "two")),
    }
    for name, verdict in verdicts.items():
        (tmp_path / name).mkdir()
        content = {**summary, "verdict": verdict.to_json()}
        (tmp_path / name / "result.json").write_text(json.dumps(content))
    pairs = [PairPaths(name, Path("a"), Path("b")) for name in [*verdicts, "absent"]]
    rows = write_page(pairs, tmp_path)
    assert [row["id"] for row in rows] == ["absent", "wrong", "odd", "fine"]
    with (tmp_path / "summary.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert [row["verdict"] for row in listed] == ["", "failed", "doubtful", "good"]
    assert listed[2]["reasons"] == "one; two"
