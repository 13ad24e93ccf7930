"""quicksilver_ext.arrays: the torch operators' results, on NumPy and CuPy arrays, without torch."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import _fft, arrays
from quicksilver_ext.arrays import _args

GRIDS = [(7, 6, 9), (8, 11)]
OPTIONS = [
    (mode, padding)
    for mode in ("linear", "cubic", "nearest")
    for padding in ("border", "zeros", "reflect", "wrap")
]


@pytest.fixture(params=["numpy", "cupy"])
def xp(request):
    module = pytest.importorskip(request.param)
    if request.param == "cupy" and not module.cuda.is_available():
        pytest.skip("no device for CuPy")
    return module


@pytest.fixture
def random():
    return np.random.default_rng(0)


def vectors(random, xp, grid, dtype, scale=1.0):
    return xp.asarray(scale * random.standard_normal((2, len(grid), *grid)), dtype=dtype)


def same(array, tensor):
    """Equal bits: both call one compiled operator."""
    host = array if isinstance(array, np.ndarray) else array.get()
    assert host.dtype == tensor.cpu().numpy().dtype
    np.testing.assert_array_equal(host, tensor.cpu().numpy())


def as_tensor(array):
    return torch.from_dlpack(array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("grid", GRIDS)
class TestSameAsTorch:
    @pytest.mark.parametrize(("mode", "padding"), OPTIONS)
    def test_warp_and_splat(self, xp, random, grid, dtype, mode, padding):
        u = vectors(random, xp, grid, dtype, 2)
        image = xp.asarray(random.standard_normal((2, 5, *(n + 3 for n in grid))), dtype=dtype)
        values = xp.asarray(random.standard_normal((2, 5, *grid)), dtype=dtype)
        shape = image.shape[2:]
        tensors = [as_tensor(a) for a in (image, values, u)]
        same(arrays.warp(image, u, mode, padding), qs.warp(tensors[0], tensors[2], mode, padding))
        splatted = arrays.splat(values, u, shape, mode, padding)
        expected = qs.splat(tensors[1], tensors[2], shape, mode, padding)
        if xp is np and qs.info()["cpu"]["instructions"] != "emulated CUDA":
            same(splatted, expected)
        else:  # atomic sums, in any order
            torch.testing.assert_close(as_tensor(splatted), expected)

    @pytest.mark.parametrize("faces", ["one_sided", "half"])
    def test_pointwise(self, xp, random, grid, dtype, faces):
        m, u = vectors(random, xp, grid, dtype), vectors(random, xp, grid, dtype, 0.3)
        tensors = as_tensor(m), as_tensor(u)
        same(arrays.Ad_star(m, u, faces), qs.Ad_star(*tensors, faces))
        same(arrays.ad(m, u, faces), qs.ad(*tensors, faces))
        same(arrays.ad_star(m, u, faces), qs.ad_star(*tensors, faces))
        for name in ("gradient", "divergence", "jacobian", "jacobian_determinant"):
            same(getattr(arrays, name)(u, faces), getattr(qs, name)(tensors[1], faces))

    @pytest.mark.parametrize("padding", ["border", "wrap"])
    def test_labels(self, xp, random, grid, dtype, padding):
        labels = xp.asarray(random.integers(0, 5, (2, 1, *grid)), dtype=np.int16)
        u = vectors(random, xp, grid, dtype, 2)
        found = arrays.warp_labels(labels, u, padding)
        same(found, qs.warp_labels(as_tensor(labels), as_tensor(u), padding))

    def test_maps(self, xp, random, grid, dtype):
        u, w = vectors(random, xp, grid, dtype, 0.2), vectors(random, xp, grid, dtype, 0.2)
        same(arrays.compose(u, w, "cubic"), qs.compose(as_tensor(u), as_tensor(w), "cubic"))
        for ours, theirs in zip(arrays.invert(u), qs.invert(as_tensor(u)), strict=True):
            same(ours, theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("pad", "band"), [("auto", "full"), (5, "full"), ("auto", "half")])
@pytest.mark.parametrize(("grid", "spacing"), [(GRIDS[0], (1, 1.5, 2)), (GRIDS[1], (1, 1, 1))])
def test_metric(xp, random, grid, spacing, pad, band, dtype):
    how = {"alpha": 0.3, "beta": 0.2, "gamma": 0.1, "power": 2}
    how |= {"spacing": spacing, "pad": pad, "band": band}
    field = vectors(random, xp, grid, dtype)
    for name in ("sharp", "flat", "sharp"):  # the second time from the tables of the first
        found = getattr(arrays.FluidMetric(**how), name)(field)
        expected = getattr(qs.FluidMetric(**how), name)(as_tensor(field)).cpu().numpy()
        host = found if isinstance(found, np.ndarray) else found.get()
        tolerance = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
        assert host.dtype == dtype
        np.testing.assert_allclose(host, expected, rtol=0, atol=tolerance * abs(expected).max())


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "int64"])
def test_labels_keep_their_type(xp, random, dtype):
    labels = xp.asarray(random.integers(0, 2, (1, 1, 5, 6, 7)), dtype=dtype)
    shift = xp.zeros((1, 3, 5, 6, 7), np.float32)
    shift[:, 0] = 1
    warped = arrays.warp(labels, shift, "nearest")
    assert warped.dtype == labels.dtype
    assert bool((warped[:, :, :-1] == labels[:, :, 1:]).all())


def test_strided_and_readonly_arrays(random):
    image = random.standard_normal((6, 7, 5, 3, 2)).T
    image.flags.writeable = False
    u = np.broadcast_to(0.4 * random.standard_normal((1, 3, 5, 7, 6)), (2, 3, 5, 7, 6))
    expected = arrays.warp(np.ascontiguousarray(image), np.ascontiguousarray(u))
    np.testing.assert_array_equal(arrays.warp(image, u), expected)


def test_tables_on_a_gpu_are_complete_before_another_stream_uses_them(monkeypatch):
    """CuPy's part is played: what is cached was waited for, once."""
    waited = []
    stream = SimpleNamespace(synchronize=lambda: waited.append(dict(_args._TABLES)))
    cuda = SimpleNamespace(get_current_stream=lambda: stream)
    cupy = SimpleNamespace(__name__="cupy", empty=np.empty, asarray=np.asarray, cuda=cuda)
    monkeypatch.setattr(_args, "_TABLES", {})
    of_array = object.__new__(_args.Arrays)
    of_array.namespace = cupy
    of_array.first = SimpleNamespace(dtype=np.dtype("f4"), device=Device())
    first, second = (of_array.tables((6, 10), (1.0, 1.0), "full") for _ in range(2))
    assert waited == [{}]
    assert second is first
    np.testing.assert_array_equal(
        first, np.asarray(_fft.tables((6, 10), (1.0, 1.0), "full", "cuda"), "f4")
    )


class Device(contextlib.nullcontext):
    id = 0


def test_the_former_name(monkeypatch):
    monkeypatch.delitem(sys.modules, "quicksilver_ext.core", raising=False)
    with pytest.warns(DeprecationWarning, match=r"quicksilver_ext\.arrays"):
        former = importlib.import_module("quicksilver_ext.core")
    assert all(getattr(former, name) is getattr(arrays, name) for name in arrays.__all__)


def test_torch_is_not_imported(tmp_path):
    code = """
import sys, numpy, quicksilver_ext.arrays as arrays
from quicksilver_ext import arrays as again
u = numpy.zeros((1, 2, 4, 4), "float32")
assert (arrays.warp(u + 3, u) == 3).all() and again is arrays
assert "torch" not in sys.modules, "torch was imported"
import quicksilver_ext as qs
qs.warp
assert "torch" in sys.modules
assert {"warp", "FluidMetric"} <= set(qs.__all__)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "import quicksilver_ext, torch; torch.ops.quicksilver.warp",
        "import torch, quicksilver_ext; torch.ops.quicksilver.warp",
        "import quicksilver_ext.arrays, torch; torch.ops.quicksilver.fluid",
        "from quicksilver_ext.ops.warp import warp; from quicksilver_ext import splat",
        "import quicksilver_ext._register, quicksilver_ext as qs; qs.warp",
        "import sys, quicksilver_ext as qs; assert 'torch' not in sys.modules\n"
        "assert {'warp', 'shoot', 'FluidMetric', '__version__'} <= set(dir(qs))",
    ],
)
def test_operators_are_there_after_the_import(code, tmp_path):
    """In torch.ops and in dir(), before one is first used and in whatever order of imports."""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: arrays.warp([1.0], f), TypeError, "warp: image: expected a numpy array"),
        (
            lambda f: arrays.compose("x", f),
            TypeError,
            "compose: outer: expected a NumPy or CuPy array",
        ),
        (lambda f: arrays.warp(f.astype("f2"), f), TypeError, "warp: image: expected float32"),
        (lambda f: arrays.warp(f.astype(">f4"), f), TypeError, "warp: image: expected float32"),
        (lambda f: arrays.warp(f.astype("i4"), f), TypeError, "warp: image: .*mode='nearest'"),
        (lambda f: arrays.warp(f, f, "quintic"), ValueError, "warp: mode: expected one of"),
        (lambda f: arrays.warp(f, f[0]), ValueError, "warp: displacement: expected .B, C"),
        (
            lambda f: arrays.warp(f, f[:, :1]),
            ValueError,
            "warp: displacement: expected one component",
        ),
        (lambda f: arrays.warp(f, f.astype("f8")), ValueError, "warp: image: expected the dtype"),
        (
            lambda f: arrays.compose(f, f[:, :, 1:]),
            ValueError,
            "compose: outer: expected the dtype",
        ),
        (lambda f: arrays.invert(f, 0), ValueError, "invert: iterations"),
        (lambda f: arrays.Ad_star(f, f, "both"), ValueError, "Ad_star: faces"),
        (
            lambda f: arrays.FluidMetric(pad="none").sharp(f[:, :, :, :5]),
            ValueError,
            "sharp: momentum: .*even",
        ),
        (
            lambda f: arrays.FluidMetric(pad="none").flat(f[:, :, [0] * 11]),
            ValueError,
            "flat: velocity",
        ),
        (
            lambda f: arrays.FluidMetric(spacing=(1, 2, 3)).sharp(f),
            ValueError,
            "sharp: momentum: .*spacing",
        ),
        (lambda f: arrays.FluidMetric(alpha=-1), ValueError, "FluidMetric: alpha"),
        (
            lambda f: arrays.warp(as_tensor(f), f),
            TypeError,
            "warp: image: expected a numpy array .* found Tensor; convert",
        ),
        (
            lambda f: arrays.warp(f, as_tensor(f)),
            TypeError,
            "warp: displacement: .*found Tensor; .*use quicksilver_ext for tensors",
        ),
        (
            lambda f: arrays.warp_labels(f.astype("c16"), f),
            TypeError,
            "warp_labels: labels: expected an integer",
        ),
        (
            lambda f: arrays.warp_labels(f.astype(str), f),
            TypeError,
            "warp_labels: labels: expected an integer",
        ),
        (lambda f: arrays.warp(f, f, ["linear"]), ValueError, "warp: mode: expected one of"),
        (lambda f: arrays.splat(f, f, 3), ValueError, "splat: shape: expected 2 sizes"),
        (lambda f: arrays.splat(f, f, (2.5, 3)), ValueError, "splat: shape: expected 2 sizes"),
        (lambda f: arrays.invert(f, 2.5), ValueError, "invert: iterations: expected an integer"),
        (lambda f: arrays.invert(f, 3, "x"), ValueError, "invert: tolerance: expected a finite"),
        (lambda f: arrays.jacobian(f[:, :1]), ValueError, "jacobian: displacement: expected one"),
        (
            lambda f: arrays.FluidMetric().sharp(f[:, :1]),
            ValueError,
            "sharp: momentum: expected one component",
        ),
        (lambda f: arrays.splat(f, f, (3,)), ValueError, "splat: shape: expected 2"),
        (lambda f: arrays.splat(f, f, (0, 3)), ValueError, "splat: shape: expected"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call(np.zeros((1, 2, 5, 6), np.float32))
