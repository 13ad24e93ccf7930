"""The log of a training, cut by a kill or not."""

from __future__ import annotations

import subprocess
import sys

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


FULL = """
import resource, signal, sys
from pathlib import Path
from quicksilver.errors import QuicksilverError
from quicksilver.training import tracker
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
tracker.EVERY = 0.0
try:
    with tracker.Tracker(Path("."), "a", 3000, 0) as track:
        for step in range(300):
            track({"step": step, "loss": 1.0, "rate": 2.0, "scale": 3.0})
except QuicksilverError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [10, 5_000, 20_000], ids=["at once", "soon", "at the end"])
def test_a_disk_full_of_events_is_a_sentence(room, tmp_path):
    """TensorBoard writes in a thread of its own, whose traceback nobody asked for."""
    pytest.importorskip("tensorboard")
    (tmp_path / "state.pt").write_text("the last good state")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(room)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("expected to be able to write")
    assert "found 'File too large'" in done.stdout
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert (tmp_path / "state.pt").read_text() == "the last good state"
