"""shoot's default integrator: its exact discrete adjoint, and what it holds in memory meanwhile."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile

import quicksilver_ext as qs
from quicksilver_ext import _args, reference
from quicksilver_ext.ops.geodesic import ab2

MEMORY = pytest.mark.parametrize("memory", ab2.MEMORY)
COMPOSITION = pytest.mark.parametrize("composition", ["linear", "cubic"])
LOSSES = {
    "psi": lambda psi, phi: psi.pow(2).sum(),
    "phi": lambda psi, phi: phi.pow(3).sum(),
    "both": lambda psi, phi: (psi * phi.flip(-1)).sum() + psi.pow(3).sum(),
}
LOSS = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@pytest.fixture
def metric() -> qs.FluidMetric:
    return qs.FluidMetric(0.5, 0.3, 0.5)


def gradient(shoot, momentum, metric, loss, steps, **options) -> torch.Tensor:
    leaf = momentum.detach().clone().requires_grad_()
    loss(*shoot(leaf, metric, steps, **options)).backward()
    return leaf.grad


@LOSS
@COMPOSITION
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_gradient(fields, grid, close, sums_are_ordered, metric, composition, loss, steps):
    """The gradient is that of autograd through the twin, with the same bits for every memory where
    sums are ordered.
    """
    momentum = 1.5 * fields.noise(grid, len(grid))
    assert 1 < qs.shoot(momentum, metric, steps)[0].abs().max() < 10
    expected = gradient(reference.shoot, momentum, metric, loss, steps, composition=composition)
    found = [
        gradient(qs.shoot, momentum, metric, loss, steps, composition=composition, memory=memory)
        for memory in ab2.MEMORY
    ]
    for each in found:
        close(each, expected, 1e-10)
        assert not sums_are_ordered or torch.equal(each, found[0])


@pytest.mark.parametrize("steps", [16, 18, 26])
def test_many_steps_in_little_memory(fields, sums_are_ordered, metric, steps):
    """The same gradient where states are held by several, and computed again from each."""
    momentum = fields.noise((7, 6), 2)
    small, fast = (
        gradient(qs.shoot, momentum, metric, LOSSES["both"], steps, memory=memory)
        for memory in ("small", "fast")
    )
    assert torch.allclose(small, fast, rtol=1e-9, atol=1e-12)
    assert torch.equal(small, fast) or not sums_are_ordered
    assert fast.abs().max() > 0.1


@MEMORY
@COMPOSITION
def test_gradcheck(fields, small_grid, gradcheck, metric, composition, memory):
    momentum = 2 * fields.noise(small_grid, len(small_grid))

    def operator(m):
        return qs.shoot(m, metric, 3, composition=composition, memory=memory)

    assert operator(momentum)[0].abs().max() > 0.3
    gradcheck(operator, momentum, fast_mode=True)


@MEMORY
def test_any_number_of_threads_any_bits(metric, memory):
    """Scatters own slabs of their result, so the gradient does not depend on who computes it."""
    momentum = torch.randn(1, 3, 24, 26, 28, generator=torch.Generator().manual_seed(1))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(gradient(qs.shoot, momentum, metric, LOSSES["both"], 3, memory=memory))
    finally:
        torch.set_num_threads(threads)
    assert torch.allclose(*found, rtol=1e-3, atol=1e-4 * found[0].abs().max().item())
    if qs.info()["cpu"]["instructions"] != "emulated CUDA":
        assert torch.equal(*found)


def test_strided_gradients_and_momenta(fields, close, metric):
    momentum = fields.noise((13, 9), 2).transpose(-1, -2)
    assert not momentum.is_contiguous()
    weight = fields.noise((13, 9), 2).transpose(-1, -2)
    arguments = (metric, lambda psi, phi: (psi * weight).sum() + phi.sum(), 3)
    close(
        gradient(qs.shoot, momentum, *arguments),
        gradient(reference.shoot, momentum.contiguous(), *arguments),
        1e-10,
    )


def held_fields(momentum, metric, steps, **options) -> float:
    """Vector fields in the storages that wait for the backward pass, the momentum's own aside."""
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        maps = qs.shoot(momentum, metric, steps, **options)
    storages.pop(momentum.untyped_storage().data_ptr(), None)
    assert all(m.grad_fn is None or m.requires_grad for m in maps)
    return sum(storages.values()) / momentum.untyped_storage().nbytes()


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 16])
def test_bytes_held(fields, metric, steps):
    """The counts are those of shoot's docstring."""
    momentum = fields.noise((8, 9, 10)).requires_grad_()
    expected = {"fast": 2 * steps, "balanced": steps - 1, "small": 0}
    for memory in ab2.MEMORY:
        assert held_fields(momentum, metric, steps, memory=memory) == expected[memory]
        with torch.no_grad():
            assert held_fields(momentum, metric, steps, memory=memory) == 0
        assert held_fields(momentum.detach(), metric, steps, memory=memory) == 0


@pytest.fixture
def no_workspace(monkeypatch):
    """A smoothing that changes nothing and allocates nothing, so that the FFT's workspace is not
    counted.
    """

    def same(momentum, out):
        out.copy_(momentum)

    monkeypatch.setattr(qs.FluidMetric, "smoothing", lambda metric, like: same)


def allocations(work) -> list[int]:
    """Bytes allocated (> 0) and freed (< 0) while work ran, in order."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        result = work()  # its memory is not freed before the count ends
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    assert result is not None
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def test_no_step_allocates(metric, no_workspace):
    """Both passes allocate as many fields for 9 steps as for 6."""
    momentum = (0.1 * torch.randn(1, 3, 16, 17, 18)).requires_grad_()
    size = momentum.untyped_storage().nbytes()
    for memory in ab2.MEMORY:
        counts = set()
        for steps in (6, 9):
            maps = []
            forwards = allocations(
                lambda n=steps, m=memory, out=maps: (
                    out.extend(qs.shoot(momentum, metric, n, memory=m)) or out
                )
            )
            ones = [torch.ones_like(m) for m in maps]
            backwards = allocations(lambda m=maps, o=ones: torch.autograd.grad(m, momentum, o))
            counts.add(tuple(sum(n >= size for n in each) for each in (forwards, backwards)))
        assert len(counts) == 1
        assert min(counts.pop()) > 3


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 13, 16, 26])
@pytest.mark.parametrize("follow", [False, True], ids=["psi", "both"])
def test_bytes_of_the_backward_pass(metric, no_workspace, steps, follow):
    """The counts are those of shoot's docstring."""
    momentum = (0.1 * torch.randn(1, 3, 16, 17, 18)).requires_grad_()
    more = steps - 1 if follow else 0
    held = 3 * max(math.ceil(math.sqrt(steps)) - 4, 0)
    allowed = {"fast": 15 + more, "balanced": 15 + more, "small": 17 + held}
    for memory in ab2.MEMORY:
        maps = qs.shoot(momentum, metric, steps, memory=memory)[: 2 if follow else 1]
        ones = [torch.ones_like(m) for m in maps]
        size = momentum.untyped_storage().nbytes()
        changes = allocations(lambda m=maps, o=ones: torch.autograd.grad(m, momentum, o))
        peak = max(itertools.accumulate(changes)) / size
        assert 8 < peak - 1 <= allowed[memory] + 0.01  # the gradient itself is the output


def interleaved(field, before, beyond) -> torch.Tensor:
    out = _args.new_vectors(field)
    fields = (_args.field(field), _args.field(before), _args.vectors(out))
    ab2._core.interleave(*fields, beyond, _args.queue_of(field))
    return out


def test_interleaving(fields, grid, dtype, close):
    """Components lie together, the number to spare is zero, and velocities are extrapolated."""
    late, early = (fields.displacement(grid, 2.0, dtype=dtype) for _ in range(2))
    dims = len(grid)
    for before, beyond in ((late, 0.0), (early, 0.5)):
        found = interleaved(late, before, beyond)
        close(found[..., :dims].movedim(-1, 1), late + beyond * (late - before), 1e-6)
        assert not found[..., dims:].any()


def test_following_in_place(fields, grid, dtype):
    """As the integrator does: its map is both what is read and what is written."""
    w, phi = (fields.displacement(grid, 2.0, dtype=dtype) for _ in range(2))
    together = interleaved(w, w, 0.0)
    apart = torch.empty_like(phi)
    for out in (apart, phi):
        fields = (_args.vectors(together), _args.field(phi), _args.field(out))
        ab2._core.follow(*fields, 0.3, _args.queue_of(phi))
    assert torch.equal(phi, apart)


def test_pulling_back_in_place(fields, grid, dtype):
    """As the adjoint does: the cotangent's place is that of one of the gradients."""
    m, psi, g = (fields.displacement(grid, 2.0, dtype=dtype) for _ in range(3))
    queue, faces = _args.queue_of(g), ab2._options.FACES["one_sided"]
    found = []
    for direct in (torch.empty_like(g), g):
        pulled, matrices = torch.empty_like(g), g.new_empty(2, len(grid) ** 2, *grid)
        to = map(_args.field, (m, psi, g, pulled, matrices, direct))
        ab2._core.Ad_star_gradient(*to, faces, queue)
        found.append((pulled, matrices, direct))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
