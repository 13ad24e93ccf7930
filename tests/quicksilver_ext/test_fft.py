"""The core's own transforms: the twin, every length, both forms that a GPU has."""

from __future__ import annotations

import math

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import _fft, reference
from quicksilver_ext._metric import symbol_of
from quicksilver_ext.ops import fluid

# Bytes of shared memory of a block: with the first a slab fits and three kernels serve, with the
# second five do.
FORMS = {"three kernels": 227 * 1024, "five kernels": 2000}
SHAPES = [
    *((16, 20), (7, 12), (1, 8), (1, 2), (45, 98)),
    *((8, 9, 10), (5, 6, 14), (12, 1, 6), (1, 1, 2), (24, 14, 36), (3, 50, 42)),
]


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def block_memory(request) -> int:
    return request.param


@pytest.fixture(params=["full", "half"])
def band(request) -> str:
    return request.param


def smoothing(field, metric, block_memory, *, inverse=True):
    """By the core's own transforms."""
    torus, spacing = metric.torus(field.shape[2:]), metric.spacing[: field.ndim - 2]
    parameters = (metric.alpha, metric.beta, metric.gamma, metric.power, inverse)
    symbol = symbol_of(spacing, *parameters)
    made = fluid.Smoothing(field, torus, spacing, symbol, metric.band, block_memory)
    assert made.fused
    made.spectrum.fill_(math.nan)
    return made


def smooth(field, metric, block_memory, *, inverse=True):
    """`metric.sharp` or `metric.flat`."""
    out = torch.full_like(field, math.nan)
    smoothing(field, metric, block_memory, inverse=inverse)(field, out)
    return out


@pytest.mark.parametrize("shape", SHAPES)
def test_twin_on_the_torus(fields, dtype, close, shape, block_memory, band):
    metric = qs.FluidMetric(pad="none", spacing=(1.0,) * len(shape), band=band)
    field = fields.noise(shape, len(shape), dtype=dtype)
    close(smooth(field, metric, block_memory), reference.sharp(field, metric))
    flat = smooth(field, metric, block_memory, inverse=False)
    close(flat, reference.flat(field, metric))


@pytest.mark.parametrize("shape", [(9, 13), (1, 1), (7, 10, 13), (11, 13, 7), (5, 37, 3)])
@pytest.mark.parametrize("pad", ["auto", 1, 6])
def test_twin_padded(fields, dtype, close, shape, pad, block_memory, band):
    metric = qs.FluidMetric(pad=pad, spacing=(1.0,) * len(shape), band=band)
    field = fields.noise(shape, len(shape), dtype=dtype)
    close(smooth(field, metric, block_memory), reference.sharp(field, metric))


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("inverse", [True, False], ids=["sharp", "flat"])
def test_twin_of_any_metric(fields, grid, close, power, inverse, block_memory, band):
    metric = qs.FluidMetric(0.5, 0.3, 0.2, power, (1.0, 1.5, 2.5)[: len(grid)], 3, band)
    field = fields.noise(grid, len(grid))
    twin = reference.sharp if inverse else reference.flat
    close(smooth(field, metric, block_memory, inverse=inverse), twin(field, metric))


def test_gamma_zero(fields, grid, close, block_memory):
    metric = qs.FluidMetric(gamma=0.0)
    field = fields.noise(grid, len(grid))
    close(smooth(field, metric, block_memory), reference.sharp(field, metric))


def test_every_length(fields, close, band):
    """Along the first axis every length that serves, along the last one every even one."""
    metric = qs.FluidMetric(pad="none", spacing=(1.0, 1.0), band=band)
    lengths = [n for n in range(1, 513) if _fft.order(n, "cpu")]
    assert {2, 3, 5, 7, 49, 343, 486, 500, 504} < set(lengths)
    for n in lengths:
        shapes = [(n, 2), (2, n)] if n % 2 == 0 else [(n, 2)]
        for shape in shapes:
            field = fields.noise(shape, 2, batch=1)
            close(smooth(field, metric, FORMS["three kernels"]), reference.sharp(field, metric))


@pytest.mark.parametrize("shape", [(4, 200, 200), (4, 192, 194), (240, 4, 6)])
def test_full_sizes(fields, close, shape, band):
    """Planes and lines as large as a brain's."""
    metric = qs.FluidMetric(spacing=(1.0,) * 3, band=band)
    field = fields.noise(shape, 3, batch=1)
    close(smooth(field, metric, FORMS["three kernels"]), reference.sharp(field, metric))


@pytest.mark.parametrize("length", [7, 30, 64, 343, 486])
def test_order_is_a_permutation(length):
    assert sorted(_fft.order(length, "cpu")) == list(range(length))


def test_long_lines(fields, close, band, has_gpu_code):
    """Of the CPU alone."""
    if has_gpu_code:
        pytest.skip("a GPU's blocks take up to 512")
    metric = qs.FluidMetric(pad="none", spacing=(1.0, 1.0), band=band)
    for shape in [(1024, 6), (3, 1458), (1715, 4), (5, 2048)]:
        field = fields.noise(shape, 2, batch=1)
        close(smooth(field, metric, 0), reference.sharp(field, metric))


@pytest.mark.parametrize("length", [0, -4, 11, 22, 513, 2050, 2058, 4096])
def test_lengths_without_a_plan(length):
    assert _fft.order(length, "cpu") == []


@pytest.mark.parametrize("shape", [(229, 193, 193), (5, 7, 9), (31, 33), (1, 1)])
def test_padded_sizes_are_fusable(shape):
    for pad in ("auto", 0, 1, 7, 16):
        metric = qs.FluidMetric(pad=pad)
        torus, gap = metric.torus(shape), 0 if pad == "auto" else pad
        assert _fft.is_fusable(torus, "cuda")
        assert _fft.is_fusable(torus, "cpu")
        assert all(size >= n + gap for size, n in zip(torus, shape, strict=True))


def test_in_place(fields, grid, block_memory, band):
    metric = qs.FluidMetric(band=band)
    field = fields.noise(grid, len(grid))
    expected = smooth(field, metric, block_memory)
    smoothing(field, metric, block_memory)(field, field)
    assert torch.equal(field, expected)


def test_operator(fields, grid, dtype, agree, monkeypatch, band):
    """`sharp` as on CUDA, here on every device: what has a plan is fused, the rest (the grids end
    in a prime) is not.
    """
    fused = []
    call = fluid.Smoothing.__call__
    monkeypatch.setattr(
        fluid.Smoothing, "__call__", lambda self, *a: (fused.append(self.fused), call(self, *a))
    )
    field = fields.noise(grid, len(grid), dtype=dtype)
    strided = field.movedim(1, -1).contiguous().movedim(-1, 1)
    for pad, expected in (("auto", [True] * 2), ("none", [False] * 2)):  # forwards and backwards
        fused.clear()
        metric = qs.FluidMetric(pad=pad, spacing=(1.0, 1.5, 2.5)[: len(grid)], band=band)
        agree(metric.sharp, lambda m, metric=metric: reference.sharp(m, metric), strided)
        assert fused == expected


def test_where_it_serves():
    for torus, kinds in [((8, 10), {"cpu", "cuda"}), ((8, 514), set()), ((600, 8), {"cpu"})]:
        assert {kind for kind in ("cpu", "cuda", "meta") if _fft.is_fusable(torus, kind)} == kinds
    assert not any(_fft.is_fusable(torus, "cpu") for torus in [(8, 9), (11, 10), (8, 22)])


def test_tables():
    """Cosines, sines and roots of a 4 x 6 torus, and where the frequencies of the last axis are."""
    numbers = list(_fft.tables((4, 6), (1.0, 2.0), "full", "cpu"))
    first, half = _fft.order(4, "cpu"), [*_fft.order(3, "cpu"), 3]
    assert numbers[:4] == pytest.approx([2 * math.cos(math.pi / 2 * k) - 2 for k in first])
    assert numbers[12:16] == pytest.approx([math.sin(math.pi / 3 * k) / 2 for k in half])
    assert numbers[16:24] == pytest.approx([1, 0, 0, -1, -1, 0, 0, 1])
    assert [half[int(place)] for place in numbers[-3:]] == [0, 1, 2]


def test_tables_of_the_half_band():
    """Only kept frequencies of the middle and the last axis, and their places; the first axis is
    marked.
    """
    torus = (6, 10, 12)
    numbers = list(_fft.tables(torus, (1.0,) * 3, "half", "cpu"))
    first, middle, last = _fft.order(6, "cpu"), _fft.order(10, "cpu"), [*_fft.order(6, "cpu"), 6]
    places = [int(place) for place in numbers[-8:]]
    assert [middle[place] for place in places[:5]] == [k for k in middle if k in (0, 1, 2, 8, 9)]
    assert [last[place] for place in places[5:]] == [k for k in last if k in (0, 1, 2)]
    cosines = [2 * math.cos(math.pi / 3 * k) - 2 if k in (0, 1, 5) else 1.0 for k in first]
    cosines += [2 * math.cos(math.pi / 5 * middle[place]) - 2 for place in places[:5]]
    cosines += [2 * math.cos(math.pi / 6 * last[place]) - 2 for place in places[5:]]
    assert numbers[:14] == pytest.approx(cosines)
    assert len(numbers) == 2 * 14 + 2 * sum(torus) + 6 + 8
    assert _fft.workspace_shape((5, 3, 4), torus, "half") == (5, 80)  # 5 x 16
    assert _fft.workspace_shape((5, 6, 4), torus, "half") == (5, 96)  # rows of the field: 6 x 16


@pytest.mark.parametrize(
    ("torus", "plane", "message"),
    [
        ((11, 10), 32, "fluid: torus: expected a torus of sizes up to 2048"),
        ((8, 9), 32, "fluid: torus: expected a torus of sizes up to 2048"),
        ((4, 10), 32, "fluid: torus: expected a torus that holds the field"),
        ((8, 10), 5, "fluid: workspace: expected"),
        ((8, 10, 7), 32, "fluid: torus: expected a torus that keeps some of its frequencies"),
        ((8, 10, 0), 32, "fluid: torus: expected a torus that keeps some of its frequencies"),
    ],
)
def test_refusals(torus, plane, message):
    field = torch.zeros(1, 2, 6, 8)
    made = smoothing(field, qs.FluidMetric(), 2000)
    kept = (*torus[2:], torus[1] // 2 + 1)[0]
    made.fused_torus = fluid._core.FluidTorus(torus[0], 1, torus[1], 1, kept, 2000)
    made.spectrum = torch.zeros(1, 2, 6, plane, dtype=torch.complex64)
    with pytest.raises(ValueError, match=message):
        made(field, field)


def test_a_workspace_that_no_cache_line_begins(fields):
    field = fields.noise((6, 8), 2, batch=1)
    made = smoothing(field, qs.FluidMetric(), 2000)
    shape = made.spectrum.shape
    made.spectrum = made.spectrum.new_zeros(made.spectrum.numel() + 1)[1:].view(shape)
    with pytest.raises(ValueError, match="fluid: workspace: expected memory that begins"):
        made(field, field)
