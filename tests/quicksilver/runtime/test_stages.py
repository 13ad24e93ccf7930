"""The clock of the stages."""

from __future__ import annotations

from quicksilver.runtime import stages


def test_what_a_stage_takes_each_time_adds_up(monkeypatch):
    ticks = iter([0.0, 1.0, 5.0, 8.0, 10.0, 10.5])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(ticks))
    clock = stages.Stages()
    for name in ("shoot", "correct", "shoot"):
        with clock(name):
            pass
    assert clock.seconds == {"shoot": 1.5, "correct": 3.0}
