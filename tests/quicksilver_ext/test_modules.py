"""GeodesicShooting: shoot as a module, recorded as a CUDA graph where there is CUDA."""

from __future__ import annotations

import contextlib
import copy
from threading import Lock
from types import SimpleNamespace

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext.modules import _Recorded

CUDA = pytest.mark.skipif(not qs.info()["cuda"]["usable"], reason="no usable CUDA device")
METRIC = qs.FluidMetric(0.5, 0.3, 0.5)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"steps": 3, "composition": "linear", "memory": "small"},
        {"steps": 2, "method": "rk4", "borders": "original", "inverse_iterations": 9},
    ],
)
def test_is_shoot(fields, grid, close, graph, options):
    momentum = fields.noise(grid, len(grid))
    module = qs.GeodesicShooting(METRIC, graph=graph, **options)
    for scale in (1.0, 0.5):
        expected = qs.shoot(scale * momentum, METRIC, **options)
        for a, b in zip(module(scale * momentum), expected, strict=True):
            assert b.abs().max() > 0.1
            close(a, b)


@pytest.mark.parametrize("graph", [False, True])
def test_gradient(fields, grid, close, graph):
    """A graph cannot be differentiated: the module does not use one then."""
    momentum = fields.noise(grid, len(grid))
    module, gradients = qs.GeodesicShooting(METRIC, steps=2, graph=graph), []
    with torch.no_grad():
        assert not module(momentum)[0].requires_grad
    for shooting in (module, lambda m: qs.shoot(m, METRIC, 2)):
        leaf = momentum.clone().requires_grad_()
        sum(map_.pow(2).sum() for map_ in shooting(leaf)).backward()
        gradients.append(leaf.grad)
    close(*gradients)


def test_a_result_is_not_overwritten(fields, grid):
    module, momentum = (
        qs.GeodesicShooting(METRIC, steps=2, graph=True),
        fields.noise(grid, len(grid)),
    )
    maps = module(momentum)
    before = [m.clone() for m in maps]
    module(-2 * momentum)
    assert all(torch.equal(a, b) for a, b in zip(maps, before, strict=True))


def test_copies_and_prints():
    module = qs.GeodesicShooting(METRIC, steps=7, graph=True)
    twin = copy.deepcopy(module)
    assert twin.options == module.options
    assert twin.metric == METRIC
    assert "steps=7" in repr(module)
    assert "alpha=0.5" in repr(module)
    assert not list(module.parameters())


@pytest.mark.parametrize("graph", [False, True])
def test_refuses_what_shoot_refuses(graph):
    with pytest.raises(ValueError, match=r"^shoot: steps: expected"):
        qs.GeodesicShooting(METRIC, steps=0, graph=graph)(torch.zeros(1, 2, 8, 8))


@CUDA
def test_records_once_for_every_kind():
    module = qs.GeodesicShooting(METRIC, steps=2, graph=True)
    for shape in ((1, 3, 16, 16, 16), (2, 3, 16, 16, 16), (1, 3, 16, 16, 16)):
        for dtype in (torch.float32, torch.float64):
            module(torch.randn(shape, dtype=dtype, device="cuda"))
    assert len(module._recorded) == 4


@CUDA
def test_a_replay_follows_its_stream():
    """On any stream the result is that of the momentum passed in on this stream."""
    module, stream = qs.GeodesicShooting(METRIC, steps=2, graph=True), torch.cuda.Stream()
    momentum = torch.randn(1, 3, 24, 24, 24, device="cuda")
    expected = qs.shoot(3 * momentum, METRIC, 2)
    module(momentum)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        found = module(3 * momentum)
    stream.synchronize()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_a_replay_waits_for_the_last_one(monkeypatch):
    """Two streams replay one recording, whose buffers they share. The device's part is played."""
    order: list[str] = []
    recorded = object.__new__(_Recorded)
    recorded.lock, recorded.momentum = Lock(), torch.zeros(3)
    recorded.maps = (torch.zeros(3), torch.zeros(3))
    recorded.last = SimpleNamespace(record=lambda: order.append("recorded"))

    def replay() -> None:
        assert recorded.lock.locked()
        order.append(f"replayed {recorded.momentum[0]:.0f}")
        for field in recorded.maps:
            field.copy_(recorded.momentum)

    recorded.graph = SimpleNamespace(replay=replay)
    stream = SimpleNamespace(
        wait_event=lambda event: order.append(f"waited {event is recorded.last}")
    )
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    results = [recorded.replay(torch.full((3,), float(n))) for n in (1, 2)]
    assert order == [w for n in (1, 2) for w in ("waited True", f"replayed {n}", "recorded")]
    assert [psi[0].item() for psi, _ in results] == [1, 2], "nothing is overwritten"
