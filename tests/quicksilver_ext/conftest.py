"""Fixtures of the operator tests: devices, dtypes, random fields, comparison with a twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

import quicksilver_ext as qs

# Relative to the largest entry of the twin's result: rounding of sums of up to 64 products.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def _usable_devices() -> list[str]:
    return ["cpu", "cuda"] if qs.info()["cuda"]["usable"] else ["cpu"]


@pytest.fixture(params=_usable_devices())
def device(request) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request) -> torch.dtype:
    return request.param


@pytest.fixture(params=[(9, 13), (7, 10, 13)], ids=["2d", "3d"])
def grid(request) -> tuple[int, ...]:
    """Odd and even sizes, none equal to another."""
    return request.param


@pytest.fixture(params=[(5, 6), (4, 6, 5)], ids=["2d", "3d"])
def small_grid(request) -> tuple[int, ...]:
    """For gradcheck, which evaluates an operator twice per entry of its input."""
    return request.param


@dataclass
class Fields:
    """Random fields (B, C, *S) of a fixed seed; the values do not depend on dtype and device."""

    device: torch.device
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(1))

    def noise(
        self, shape: Sequence[int], channels: int = 3, batch: int = 2, dtype=torch.float64
    ) -> Tensor:
        values = torch.randn(batch, channels, *shape, generator=self.generator, dtype=torch.float64)
        return values.to(self.device, dtype)

    def displacement(
        self, shape: Sequence[int], amplitude: float, batch: int = 2, dtype=torch.float64
    ) -> Tensor:
        """Independent of voxel to voxel; its largest component is `amplitude` voxels."""
        values = self.noise(shape, len(shape), batch)
        return (amplitude * values / values.abs().max()).to(dtype)

    def smooth(
        self, shape: Sequence[int], amplitude: float, width: float, batch: int = 1, channels=None
    ) -> Tensor:
        """White noise under a periodic Gaussian of this width in voxels, scaled to amplitude."""
        values = self.noise(shape, channels or len(shape), batch)
        for axis, n in enumerate(shape):
            k = torch.fft.fftfreq(n, dtype=torch.float64, device=self.device)
            gain = torch.exp(-2 * (torch.pi * width * k) ** 2)
            spectrum = torch.fft.fft(values, dim=2 + axis).movedim(2 + axis, -1) * gain
            values = torch.fft.ifft(spectrum).real.movedim(-1, 2 + axis)
        return amplitude * values / values.abs().max()


@pytest.fixture
def fields(device) -> Fields:
    return Fields(device)


@pytest.fixture
def has_gpu_code(device) -> bool:
    """Whether a GPU's code runs: on one, or where it is emulated (tests/emulated.py)."""
    return device.type != "cpu" or qs.info()["cpu"]["instructions"] == "emulated CUDA"


@pytest.fixture
def sums_are_ordered(has_gpu_code) -> bool:
    """Whether scattered sums have the same bits every time: not those of a GPU's atomics."""
    return not has_gpu_code


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest magnitude."""
    scale = expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny)
    return ((found - expected).abs().max() / scale).item()


def _outputs_and_gradients(operator: Callable, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Outputs, then for each input the gradient of the outputs' product with fixed cotangents."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    outputs = operator(*leaves)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    assert all(y.is_contiguous() for y in outputs)
    cotangents = Fields(torch.device("cpu"))
    total = sum(
        (y * cotangents.noise(y.shape[2:], y.shape[1], y.shape[0]).to(y)).sum()
        for y in outputs
        if y.requires_grad
    )
    gradients = torch.autograd.grad(total, leaves, materialize_grads=True)
    return [y.detach() for y in outputs] + list(gradients)


@pytest.fixture
def agree() -> Callable:
    """agree(compiled, twin, *inputs): same outputs, and same gradients by every input."""

    def check(
        compiled: Callable, twin: Callable, *inputs: Tensor, tolerance: float | None = None
    ) -> None:
        found = _outputs_and_gradients(compiled, inputs)
        expected = _outputs_and_gradients(twin, inputs)
        assert len(found) == len(expected)
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            assert a.device == b.device
            error = relative_error(a, b)
            allowed = tolerance or TOLERANCE[b.dtype]
            assert error <= allowed, f"output or gradient {index}: {error:.1e} > {allowed:.0e}"

    return check


@pytest.fixture
def gradcheck(sums_are_ordered) -> Callable:
    """torch.autograd.gradcheck with its default tolerances; CUDA scatters in any order."""

    def check(operator: Callable, *inputs: Tensor, **options) -> None:
        leaves = [x.detach().requires_grad_() for x in inputs]
        nondeterminism = 0.0 if sums_are_ordered else 1e-10
        assert torch.autograd.gradcheck(operator, leaves, nondet_tol=nondeterminism, **options)

    return check


@pytest.fixture
def close() -> Callable:
    """close(found, expected): equal to rounding of their dtype, relative to the largest entry."""

    def check(found: Tensor, expected: Tensor, tolerance: float | None = None) -> None:
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        error = relative_error(found, expected)
        allowed = tolerance or TOLERANCE[expected.dtype]
        assert error <= allowed, f"{error:.1e} > {allowed:.0e}"

    return check


def pytest_addoption(parser) -> None:
    parser.addoption(
        "--properties",
        metavar="FILE",
        help="write what tests/quicksilver_ext/test_properties.py found as a table of Markdown",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps the outcome of every test of an operator's property on the session."""
    report = yield
    ran = report.when == "call" or report.skipped or report.failed
    if ran and item.path.name == "test_properties.py" and hasattr(item, "callspec"):
        found = item.session.__dict__.setdefault("properties", {})
        key = item.callspec.params["name"], item.originalname.removeprefix("test_")
        found.setdefault(key, set()).add(report.outcome)
    return report


def pytest_sessionfinish(session) -> None:
    file = session.config.getoption("--properties", None)
    found = session.__dict__.get("properties", {})
    if file and found:
        Path(file).write_text(properties_table(found))


def properties_table(found: dict[tuple[str, str], set[str]]) -> str:
    """A row per operator, a column per property: yes where all its tests passed, no where one
    failed, - where skipped.
    """
    names = list(dict.fromkeys(name for name, _ in found))
    properties = list(dict.fromkeys(kind for _, kind in found))
    words = {frozenset(["passed"]): "yes", frozenset(["skipped"]): "-"}
    rows = [
        [f"`{name}`", *(words.get(frozenset(found.get((name, p), ())), "no") for p in properties)]
        for name in names
    ]
    lines = [["operator", *properties], ["---"] * (1 + len(properties)), *rows]
    table = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    return (
        "# What each operator promises\n\n"
        "Made by `python -m pytest tests/quicksilver_ext/test_properties.py --properties "
        "docs/operators/properties.md`: yes where every\ntest of a property passed, in 2-D and "
        "3-D where both are tried; - where it is not promised (a second derivative is\nthen "
        "refused). Each test says in `tests/quicksilver_ext/test_properties.py` what it asks "
        f"for.\n\n{table}\n"
    )
