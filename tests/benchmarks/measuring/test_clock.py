"""Seconds in turn, and memory."""

from __future__ import annotations

import contextlib
import time

import torch

from benchmarks.measuring import clock
from tests.benchmarks.figures import CPU


def test_calls_take_turns():
    order = []
    calls = {name: lambda n, name=name: order.append((name, n)) for name in "AB"}
    found = clock.alternate(CPU, calls, 3, 0.0, (4, 4))
    assert [name for name, _ in order] == list("AB" * 6)  # once to warm up, and once for memory
    assert len({n for _, n in order[2:-2]}) == 3
    assert found["B"]["times_ours"]["runs"] == 4
    order.clear()
    assert clock.alternate(CPU, calls, 3, 0.0, (2, 2), warm=False)["B"]["seconds"]["runs"] == 2
    assert len(order) == 4


def test_seconds_and_memory():
    def hold(_: int) -> float:
        time.sleep(0.02)
        return torch.ones(2**25).sum().item()  # 128 MiB

    found = clock.alternate(CPU, {"hold": hold}, 1, 0.0)["hold"]
    assert 0.02 <= found["seconds"]["median"] < 2
    if found["peak_bytes"] is not None:
        assert 0.9 < found["peak_bytes"] / 2**27 < 1.5


def test_bytes_of_tensors():
    def hold(_: int) -> torch.Tensor:
        spare = torch.ones(1000)
        return spare + torch.ones(2000)[::2]

    assert 16_000 <= clock.tensor_bytes(hold) <= 16_200


def test_nothing_waits_between_the_events_of_a_device(monkeypatch):
    order: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool):
            self.name = "end" if "made" in order else "begin"
            order.append("made")

        def record(self):
            order.append(self.name)

        def synchronize(self):
            order.append("waited for the end")

        def elapsed_time(self, end: Event) -> float:
            return 3000.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: order.append("waited"))
    measure = clock._on_cuda(clock.eager(lambda n: order.append(f"call {n}")), 2, True)
    order.clear()
    assert measure() == 1.5
    assert order == ["waited", "begin", "call 0", "call 1", "end", "waited for the end"]
