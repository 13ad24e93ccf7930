"""CUDA alone: any stream, recorded in a graph, without waiting, without allocating. Skipped without
a device.
"""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs

pytestmark = pytest.mark.skipif(not qs.info()["cuda"]["usable"], reason="no usable CUDA device")
METRIC = qs.FluidMetric()
GRID = (24, 20, 28)


def field(channels: int = 3, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(channels)
    return scale * torch.randn(1, channels, *GRID, generator=generator).cuda()


def smooth_momentum() -> torch.Tensor:
    return METRIC.flat(5 * METRIC.sharp(field()))


OPERATORS = {
    "warp": lambda: qs.warp(field(2), field(3, 2.0)),
    "warp cubic": lambda: qs.warp(field(2), field(3, 2.0), "cubic", "zeros"),
    "compose": lambda: qs.compose(field(), field(3, 0.5)),
    "invert": lambda: qs.invert(field(3, 0.2))[0],
    "jacobian_determinant": lambda: qs.jacobian_determinant(field()),
    "smallest_determinant": lambda: qs.smallest_determinant(field()),
    "box_mean": lambda: qs.box_mean(field(2), 5),
    "Ad_star": lambda: qs.Ad_star(field(), field(3, 0.5)),
    "sharp": lambda: METRIC.sharp(field()),
    "sharp in half a band": lambda: qs.FluidMetric(band="half").sharp(field()),
    "half a band by torch": lambda: qs.FluidMetric(pad="none", band="half").sharp(
        field()[..., :19]
    ),
    "sharp by torch": lambda: qs.FluidMetric(pad="none").sharp(field()[..., :19]),
    "shoot": lambda: torch.cat(qs.shoot(smooth_momentum(), METRIC, 3)),
}
every_operator = pytest.mark.parametrize("run", OPERATORS.values(), ids=OPERATORS)


@every_operator
def test_streams_give_the_same_bits(run):
    expected = run()
    streams = [torch.cuda.Stream() for _ in range(3)]
    results = []
    for stream in streams:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            results.append(run())
    torch.cuda.synchronize()
    assert all(torch.equal(result, expected) for result in results)


@every_operator
def test_a_graph_gives_the_same_bits(run, monkeypatch):
    kept: dict[tuple, torch.Tensor] = {}
    make = field

    def once(channels: int = 3, scale: float = 1.0) -> torch.Tensor:
        key = (channels, scale)
        if key not in kept:
            kept[key] = make(channels, scale)
        return kept[key]

    monkeypatch.setitem(globals(), "field", once)
    expected = run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()
    result.zero_()
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(result, expected)


@pytest.mark.parametrize("memory", ["fast", "balanced", "small"])
def test_shooting_and_its_gradient_never_wait(memory):
    momentum = smooth_momentum().requires_grad_()
    qs.shoot(momentum, METRIC, 3, memory=memory)[0].sum().backward()  # tables are made once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        psi, phi = qs.shoot(momentum, METRIC, 3, memory=memory)
        (psi.sum() + phi.sum()).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_loop_allocates_nothing():
    """Twelve steps allocate as often as three."""

    def allocations(steps: int) -> int:
        momentum = smooth_momentum()
        before = torch.cuda.memory_stats()["allocation.all.allocated"]
        with torch.no_grad():
            qs.shoot(momentum, METRIC, steps)
        return torch.cuda.memory_stats()["allocation.all.allocated"] - before

    allocations(3)
    assert allocations(12) == allocations(3)


def test_corners_outside_stay_in_memory():
    corners = torch.tensor([[0, -5, 0, 0], [7, 0, 0, 0], [0, 2**40, 3, 3]], device="cuda")
    assert qs.extract_patches(field(), corners, 4).isfinite().all()
    assert (
        qs.average_patches(torch.ones(3, 1, 4, 4, 4, device="cuda"), corners, GRID).isfinite().all()
    )


def test_two_streams_replay_one_recording():
    shooting = qs.GeodesicShooting(METRIC, 3, graph=True)
    momenta = [n * smooth_momentum() for n in (0.5, 1.0)]
    expected = [shooting(m) for m in momenta]
    streams = [torch.cuda.Stream() for _ in momenta]
    torch.cuda.synchronize()
    results: list[list] = [[], []]
    for _ in range(20):
        for stream, momentum, found in zip(streams, momenta, results, strict=True):
            with torch.cuda.stream(stream):
                found.append(shooting(momentum))
    torch.cuda.synchronize()
    for (psi, phi), found in zip(expected, results, strict=True):
        assert all(torch.equal(a, psi) and torch.equal(b, phi) for a, b in found)


def test_tables_are_refused_during_a_recording():
    with (
        pytest.raises(RuntimeError, match="before a CUDA graph"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        qs.FluidMetric(alpha=0.0123, pad=5).sharp(torch.zeros(1, 3, 22, 18, 26, device="cuda"))
