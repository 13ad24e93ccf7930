"""sharp and flat: the twin, the spectrum, and what padding and spacing mean."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference
from quicksilver_ext.ops import fluid

METRICS = {
    "default": {},
    "torus": {"pad": "none"},
    "gap": {"pad": 5},
    "power": {"alpha": 0.5, "beta": 0.3, "gamma": 0.2, "power": 2},
    "beta": {"alpha": 1.0, "beta": 0.3, "gamma": 0.05},
    "no beta": {"beta": 0.0},
    "no gamma": {"pad": "none", "gamma": 0.0},
    "spacing": {"spacing": (1.0, 1.5, 2.5)},
    "half band": {"band": "half"},
    "half band of the torus": {"band": "half", "pad": "none", "power": 2, "gamma": 0.2},
}


def make(name: str, grid) -> qs.FluidMetric:
    options = dict(METRICS[name])
    if "spacing" in options:
        options["spacing"] = options["spacing"][: len(grid)]
    return qs.FluidMetric(**options)


@pytest.fixture(params=list(METRICS))
def name(request) -> str:
    return request.param


def test_sharp_twin(fields, grid, dtype, agree, name):
    metric = make(name, grid)
    momentum = fields.noise(grid, len(grid), dtype=dtype)
    agree(metric.sharp, lambda m: reference.sharp(m, metric), momentum)


def test_flat_twin(fields, grid, dtype, agree, name):
    metric = make(name, grid)
    velocity = fields.noise(grid, len(grid), dtype=dtype)
    agree(metric.flat, lambda v: reference.flat(v, metric), velocity)


@pytest.mark.parametrize("shape", [(16, 20), (7, 11), (1, 8), (8, 9, 10), (11, 13, 7), (12, 1, 5)])
@pytest.mark.parametrize("band", ["full", "half"])
def test_sizes(fields, close, shape, band):
    """Smooth, prime, odd, even and single-sample axes, on the exact torus and padded."""
    for pad in ("none", "auto", 3):
        metric = qs.FluidMetric(pad=pad, spacing=(1.0,) * len(shape), band=band)
        momentum = fields.noise(shape, len(shape))
        close(metric.sharp(momentum), reference.sharp(momentum, metric))


def test_gradcheck(fields, small_grid, gradcheck, name):
    metric = make(name, small_grid)
    gradcheck(metric.sharp, fields.noise(small_grid, len(small_grid), batch=1))
    gradcheck(metric.flat, fields.noise(small_grid, len(small_grid), batch=1))


def test_self_adjoint(fields, grid, name):
    metric = make(name, grid)
    a, b = fields.noise(grid, len(grid)), fields.noise(grid, len(grid))
    for operator in (metric.sharp, metric.flat):
        left, right = (operator(a) * b).sum(), (a * operator(b)).sum()
        assert abs(left - right) <= 1e-13 * operator(a).norm() * b.norm()


def test_flat_inverts_sharp_on_the_torus(fields, grid, dtype, close):
    for options in ({}, {"power": 2}, {"alpha": 1.0, "beta": 0.3, "gamma": 0.05}):
        metric = qs.FluidMetric(pad="none", spacing=(1.0, 1.5, 2.5)[: len(grid)], **options)
        momentum = fields.noise(grid, len(grid), dtype=dtype)
        condition = 1e2 ** options.get("power", 1)
        tolerance = condition * torch.finfo(dtype).eps
        close(metric.flat(metric.sharp(momentum)), momentum, tolerance)
        close(metric.sharp(metric.flat(momentum)), momentum, tolerance)


@pytest.mark.parametrize("grid", [(12, 9), (8, 13, 16)])
def test_half_band_projects(fields, grid, close):
    """Waves below half of Nyquist along every axis pass as in the full band, all others give 0."""
    full = qs.FluidMetric(0.3, 0.2, 0.05, pad="none")
    half = qs.FluidMetric(0.3, 0.2, 0.05, pad="none", band="half")
    dims, passed = len(grid), 0
    for numbers in itertools.product(*(range(n // 2 + 1) for n in grid)):
        phase = torch.zeros(grid, dtype=torch.float64, device=fields.device)
        for axis, (k, n) in enumerate(zip(numbers, grid, strict=True)):
            x = torch.arange(n, dtype=torch.float64, device=fields.device)
            phase += (2 * math.pi * k / n * x).reshape(
                [-1 if a == axis else 1 for a in range(dims)]
            )
        wave = torch.cos(phase).expand(1, dims, *grid)
        for operator in ("sharp", "flat"):
            whole, found = getattr(full, operator)(wave), getattr(half, operator)(wave)
            if all(4 * k < n for k, n in zip(numbers, grid, strict=True)):
                passed += 1
                close(found, whole)
            else:
                assert found.abs().max() < 1e-12 * whole.abs().max()
    assert passed == 2 * math.prod(math.ceil(n / 4) for n in grid)


def test_half_band_hardly_moves_a_smooth_velocity(fields):
    momentum = fields.smooth((24, 20, 28), 1.0, 2.0)
    full, half = (
        qs.FluidMetric(pad="none", band=band).sharp(momentum) for band in ("full", "half")
    )
    assert 0 < (half - full).norm() < 2e-3 * full.norm()


@pytest.mark.parametrize("power", [1, 2])
def test_plane_waves_are_eigenvectors(fields, grid, close, power):
    """Eigenvalue gamma - (alpha + beta) c along the wave, gamma - alpha c across it."""
    alpha, beta, gamma = 0.3, 0.2, 0.05
    spacing = (1.0, 1.5, 2.5)[: len(grid)]
    metric = qs.FluidMetric(alpha, beta, gamma, power, spacing, pad="none")
    for axis in range(len(grid)):
        k = 2 * math.pi * 2 / grid[axis]
        x = torch.arange(grid[axis], dtype=torch.float64, device=fields.device)
        wave = torch.cos(k * x).reshape([-1 if a == axis else 1 for a in range(len(grid))])
        c = (2 * math.cos(k) - 2) / spacing[axis] ** 2
        for component in range(len(grid)):
            velocity = torch.zeros(1, len(grid), *grid, dtype=torch.float64, device=fields.device)
            velocity[:, component] = wave
            stiffness = alpha + beta if component == axis else alpha
            eigenvalue = (gamma - stiffness * c) ** power * spacing[component] ** 2
            close(metric.flat(velocity), eigenvalue * velocity)
            close(metric.sharp(velocity), velocity / eigenvalue)


def test_constants(fields, grid, close):
    """The gain at frequency zero is 1 / gamma, and by definition 0 where gamma is."""
    constant = torch.ones(1, len(grid), *grid, dtype=torch.float64, device=fields.device)
    close(qs.FluidMetric(gamma=0.004, pad="none").sharp(constant), 250 * constant)
    free = qs.FluidMetric(gamma=0.0, pad="none")
    assert free.sharp(constant).abs().max() < 1e-12
    assert free.flat(constant).abs().max() < 1e-12


@pytest.mark.parametrize(("pad", "sizes"), [("auto", (9, 16)), (1, (10, 16)), (4, (15, 18))])
def test_padding_is_a_larger_torus(fields, close, pad, sizes):
    momentum = fields.noise((9, 13), 2)
    padded = torch.nn.functional.pad(momentum, (0, sizes[1] - 13, 0, sizes[0] - 9))
    whole = qs.FluidMetric(pad="none").sharp(padded)
    close(qs.FluidMetric(pad=pad).sharp(momentum), whole[..., :9, :13].contiguous())


def test_spacing_is_physical(fields, grid, close):
    """K in voxels is H^-1 K H^-1: twice the spacing with 4 alpha and 4 beta is the same stencil."""
    momentum = fields.noise(grid, len(grid))
    fine = qs.FluidMetric(0.01, 0.02, 0.001, pad="none", spacing=(1.0,) * len(grid))
    coarse = qs.FluidMetric(0.04, 0.08, 0.001, pad="none", spacing=(2.0,) * len(grid))
    close(coarse.sharp(momentum), fine.sharp(momentum) / 4)
    close(coarse.flat(momentum), fine.flat(momentum) * 4)


def test_strided_input(fields, grid):
    metric = qs.FluidMetric()
    momentum = fields.noise(grid, len(grid))
    strided = momentum.movedim(1, -1).contiguous().movedim(-1, 1)
    assert torch.equal(metric.sharp(strided), metric.sharp(momentum))


def test_tables_are_not_made_while_a_graph_is_recorded(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(RuntimeError, match="before a CUDA graph is recorded"):
        fluid._tables(True, (6, 10), (1.0, 1.0), "full", torch.float32, torch.device("cuda"))
