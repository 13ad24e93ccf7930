"""The log of a training, cut by a kill or not."""

from __future__ import annotations

import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.training.tracker import Tracker, draw_curve, read_log

RECORD = {"step": 1, "loss": 2.0, "score": 0.5}


def test_a_log_that_was_cut_goes_on(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"stage": "a", "step": 0, "loss": 3.0}\n{"stage": "a", "st')
    with Tracker(tmp_path, "a", 3, 0) as tracker:
        tracker(RECORD)
    assert [record["step"] for record in read_log(log)] == [0, 1]
    assert log.read_text().endswith("}\n")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_log_of_other_things_is_no_curve(tmp_path):
    (tmp_path / "log.jsonl").write_text("[]\n3\n{}\n")
    draw_curve(tmp_path)
    assert read_log(tmp_path / "log.jsonl") == []


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    with (
        Tracker(tmp_path, "a", 3, 0) as tracker,
        pytest.raises(QuicksilverError, match=r"log\.jsonl"),
    ):
        tracker(RECORD)
