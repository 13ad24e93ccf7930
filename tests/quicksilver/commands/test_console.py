"""The progress that commands show, with the time left."""

from __future__ import annotations

import pytest

from quicksilver.commands import console
from quicksilver.runtime.stages import Detail, count_done


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time, which a test sets."""
    time = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: time[0])
    return time


def test_the_time_left_is_that_of_the_rest_at_the_same_pace(now):
    clock = console.Clock()
    assert clock.estimate(0.0) == ""
    now[0] += 60
    assert clock.estimate(0.25) == "0:03:00 left"
    now[0] += 60
    assert clock.estimate(0.75) == "0:00:40 left"


def test_what_was_done_before_does_not_count_for_the_pace(now):
    clock = console.Clock()
    assert clock.estimate(0.5) == ""
    now[0] += 10
    assert clock.estimate(0.6) == "0:00:40 left"


def test_a_detail_is_text_that_knows_its_part():
    detail = count_done(3, 4, "pairs")
    assert detail == "3 of 4 pairs"
    assert isinstance(detail, Detail)
    assert detail.part == 0.75
    assert count_done(0, 0, "pairs").part == 0


def test_progress_shows_details_of_both_kinds(capsys):
    with console.progress() as tell:
        tell("read")
        tell("register", count_done(1, 2, "pairs, \x1b[31m last"))
        tell("register", "plain")
    shown = capsys.readouterr().err
    assert "register" in shown
    assert "\x1b[31m" not in shown
