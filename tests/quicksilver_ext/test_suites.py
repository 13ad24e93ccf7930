"""What other projects' suites ask of their interpolation and fields, asked of our operators.

Skipped where the project is not installed (pip install .[peers]). docs/operators/peers.md has the
counts, and why what differs does.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs

GRIDS = [(9, 13), (7, 10, 13)]
both = pytest.mark.parametrize("grid", GRIDS, ids=["2d", "3d"])


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def as_image(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)[None, None]


def as_field(vectors: np.ndarray) -> Tensor:
    """(*S, D) as dipy has it to (1, D, *S)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(vectors, -1, 0)))[None]


def same(found: Tensor, expected: np.ndarray | Tensor, tolerance: float = 1e-12) -> None:
    """Equal to rounding; found (1, C, *S), expected (*S) or (*S, C)."""
    expected = np.asarray(expected)
    array = found[0].numpy()
    array = array[0] if array.ndim > expected.ndim else np.moveaxis(array, 0, -1)
    assert array.shape == expected.shape
    np.testing.assert_allclose(array, expected, rtol=0, atol=tolerance)


# torch: the samples of its own tests of grid_sample.

MODES = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
PADDINGS = {"zeros": "zeros", "border": "border", "reflection": "reflect"}


def grid_sample_cases(name: str, dtype: torch.dtype):
    """(image, grid, mode, padding_mode, align_corners) of one of the operators."""
    pytest.importorskip("expecttest")  # which torch's own tests import
    database = importlib.import_module("torch.testing._internal.common_methods_invocations").op_db
    (operator,) = [op for op in database if op.name == name]
    for sample in operator.sample_inputs("cpu", dtype):
        if name == "nn.functional.grid_sample":
            options = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False}
            yield sample.input, *sample.args, *(options | sample.kwargs).values()
        else:
            grid, mode, padding_mode, align_corners = sample.args
            yield sample.input, grid, [*MODES][mode], [*PADDINGS][padding_mode], align_corners


def differs(mode: str, padding_mode: str, align_corners: bool) -> bool:
    """Their cubic has another constant; without corners they mirror about the edges of voxels."""
    return mode == "bicubic" or (padding_mode == "reflection" and not align_corners)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["nn.functional.grid_sample", "grid_sampler_2d", "grid_sampler_3d"]
)
def test_torch_grid_sample(name, dtype):
    equal = 0
    for image, grid, mode, padding_mode, align_corners in grid_sample_cases(name, dtype):
        image, grid = image.detach(), grid.detach()
        displacement = qs.from_grid_sample(grid, image.shape[2:], align_corners)
        found = qs.warp(image, displacement, MODES[mode], PADDINGS[padding_mode])
        expected = F.grid_sample(image, grid, mode, padding_mode, align_corners)
        close = torch.allclose(found, expected, atol=1e-4 if dtype == torch.float32 else 1e-10)
        assert close or differs(mode, padding_mode, align_corners)
        equal += close
    assert equal > 0


def test_the_rule_at_ties_and_kinks():
    """Halves go up, in grid_sample to the even sample; slopes on samples are those above them."""
    image = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64).reshape(1, 1, 4, 1)
    half = torch.zeros(1, 2, 4, 1, dtype=torch.float64)
    half[:, 0] = 0.5
    assert qs.warp(image, half, "nearest").flatten().tolist() == [2.0, 4.0, 8.0, 8.0]
    grid = qs.to_grid_sample(half, (4, 1), align_corners=False)
    theirs = F.grid_sample(image, grid, "nearest", "border", align_corners=False)
    assert theirs.flatten().tolist() == [1.0, 4.0, 4.0, 8.0]

    def slopes(sample, padding_mode) -> list[float]:
        still = torch.zeros(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
        total = sample(image.expand(-1, -1, -1, 3), still, padding_mode).sum()
        return torch.autograd.grad(total, still)[0][0, 0, :, 1].tolist()

    def ours(image, still, padding_mode):
        return qs.warp(image, still, padding_mode=padding_mode)

    def grid_sample(image, still, padding_mode):
        grid = qs.to_grid_sample(still, image.shape[2:], align_corners=True)
        return F.grid_sample(image, grid, "bilinear", padding_mode, align_corners=True)

    assert slopes(ours, "border") == [1.0, 2.0, 4.0, 4.0]
    assert slopes(ours, "reflect") == [1.0, 2.0, 4.0, -4.0]
    assert slopes(ours, "zeros") == slopes(grid_sample, "zeros") == [1.0, 2.0, 4.0, -8.0]
    assert slopes(grid_sample, "border") == slopes(grid_sample, "reflection") == [0, 2.0, 4.0, 0]


# SciPy: map_coordinates, with axes of one sample.


@pytest.mark.parametrize(
    "shape", [(9, 13), (7, 10, 13), (2, 3), (1, 7), (6, 1), (6, 1, 5), (5, 6, 1), (1, 1), (1, 1, 1)]
)
@pytest.mark.parametrize(("order", "mode"), [(0, "nearest"), (1, "linear")])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("nearest", "border"),
        ("grid-constant", "zeros"),
        ("mirror", "reflect"),
        ("grid-wrap", "wrap"),
    ],
)
def test_scipy_map_coordinates(random, shape, order, mode, theirs, ours):
    ndimage = pytest.importorskip("scipy.ndimage")
    image, dims = random.standard_normal(shape), len(shape)
    sizes = np.reshape(shape, (-1, *[1] * dims))
    positions = random.uniform(-3, sizes + 2, (dims, *[5] * dims))
    expected = ndimage.map_coordinates(image, positions, order=order, mode=theirs)
    here = np.stack(np.meshgrid(*[np.arange(5.0)] * dims, indexing="ij"))
    displacement = torch.from_numpy(positions - here)[None]
    same(qs.warp(as_image(image), displacement, mode, ours), expected)


# MONAI.


@both
@pytest.mark.parametrize("steps", [1, 4, 7])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.filterwarnings("ignore:.*grid_sample")
def test_monai_dvf_to_ddf(random, grid, steps, padding_mode):
    blocks = pytest.importorskip("monai.networks.blocks")
    velocity = torch.from_numpy(3 * random.standard_normal((2, len(grid), *grid)))
    theirs = blocks.DVF2DDF(steps, "bilinear", padding_mode)(velocity)
    found = qs.VectorIntegration(steps, padding_mode)(velocity)
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("window", [3, 7])
@pytest.mark.parametrize("dims", [2, 3])
def test_monai_local_correlation(random, dims, window):
    losses = pytest.importorskip("monai.losses")
    image, target = torch.from_numpy(random.random((2, 2, 1, *(11, 12, 10)[:dims])))
    still = torch.zeros(1, dims, *image.shape[2:], dtype=image.dtype)
    theirs = losses.LocalNormalizedCrossCorrelationLoss(dims, window)(image, target)
    found = qs.lncc(image, target, still, window, 0.0).mean() - 1
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-6)  # theirs adds 1e-5 to sums


# dipy: its vector fields.


@pytest.fixture
def fields():
    return pytest.importorskip("dipy.align.vector_fields")


def of_dims(fields, name: str, dims: int):
    return getattr(fields, name.replace("_nd", f"_{dims}d"))


@both
def test_dipy_warp(fields, random, grid):
    image, vectors = random.standard_normal(grid), 2.5 * random.standard_normal((*grid, len(grid)))
    expected = of_dims(fields, "warp_nd", len(grid))(image, vectors)
    same(qs.warp(as_image(image), as_field(vectors), padding_mode="zeros"), expected)


@both
def test_dipy_warp_nearest(fields, random, grid):
    """Inside; beyond the last sample theirs is 0 at once, ours half a voxel later."""
    labels = random.integers(1, 9, grid).astype(np.int32)
    vectors = 2.5 * random.standard_normal((*grid, len(grid)))
    expected = np.asarray(of_dims(fields, "warp_nd_nn", len(grid))(labels, vectors))
    found = qs.warp(as_image(labels), as_field(vectors), "nearest", "zeros")[0, 0].numpy()
    inside = is_inside(vectors, grid)
    np.testing.assert_array_equal(found[inside], expected[inside])


def is_inside(vectors: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    positions = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), -1) + vectors
    return ((positions >= 0) & (positions <= np.array(grid) - 1)).all(-1)


@both
def test_dipy_affine(fields, random, grid):
    dims = len(grid)
    image, matrix = random.standard_normal(grid), np.eye(dims + 1)
    matrix[:dims] += 0.1 * random.standard_normal((dims, dims + 1))
    transform = of_dims(fields, "transform_nd_affine", dims)
    expected = transform(image, np.array(grid, np.int32), matrix)
    map_ = qs.affine(torch.from_numpy(matrix[None, :dims]), grid)
    same(qs.warp(as_image(image), map_, padding_mode="zeros"), expected)


@both
def test_dipy_compose(fields, random, grid):
    """Inside; where the first map leaves the grid their result is 0."""
    first, second = random.standard_normal((2, *grid, len(grid)))
    compose = of_dims(fields, "compose_vector_fields_nd", len(grid))
    expected = np.asarray(compose(first, second, None, None, 1.0, None)[0])
    found = qs.compose(as_field(second), as_field(first), padding_mode="zeros")
    found = np.moveaxis(found[0].numpy(), 0, -1)
    inside = is_inside(first, grid)
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0, atol=1e-12)


@both
def test_dipy_invert(fields, grid):
    """On a field that is zero on the border; as far apart as their residual is large."""
    dims = len(grid)
    lines = np.meshgrid(*[np.sin(np.linspace(0, np.pi, n)) for n in grid], indexing="ij")
    vectors = np.stack([0.5 * np.prod(lines, axis=0)] * dims, -1)
    invert = of_dims(fields, "invert_vector_field_fixed_point_nd", dims)
    theirs = as_field(np.asarray(invert(vectors, np.eye(dims + 1), np.ones(dims), 200, 1e-9, None)))
    inverse, residual = qs.invert(as_field(vectors), 50, 1e-12)
    error = qs.compose(as_field(vectors), theirs).norm(dim=1).max()
    assert residual.max() < 1e-12
    assert (inverse - theirs).abs().max() <= 2 * error.clamp(min=1e-12)
    assert error < 0.1


@both
def test_dipy_gradient(fields, random, grid):
    """Inside; on the faces theirs is 0."""
    dims, image = len(grid), random.standard_normal(grid)
    eye = np.eye(dims + 1)
    shape = np.array(grid, np.int32)
    expected, _ = fields.gradient(image, eye, np.ones(dims), shape, eye)
    inner = (slice(1, -1),) * dims
    found = qs.gradient(as_image(image))[0, 0].numpy()
    expected = np.moveaxis(np.asarray(expected), -1, 0)
    np.testing.assert_allclose(
        found[(slice(None), *inner)], expected[(slice(None), *inner)], rtol=0, atol=1e-12
    )


@both
def test_dipy_resampling(fields, random, grid):
    dims, vectors = len(grid), random.standard_normal((*grid, len(grid)))
    shape = [2 * n for n in grid]
    resample = of_dims(fields, "resample_displacement_field_nd", dims)
    expected = resample(vectors, np.full(dims, 0.5), np.array(shape, np.int32))
    halves = torch.eye(dims, dims + 1, dtype=torch.float64)[None] / 2
    same(qs.warp(as_field(vectors), qs.affine(halves, shape), padding_mode="zeros"), expected)
    even = tuple(2 * (n // 2) for n in grid)
    image = random.standard_normal(even)
    expected = of_dims(fields, "downsample_scalar_field_nd", dims)(image)
    same(qs.resize(as_image(image), [n // 2 for n in even]), expected)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["test_ssd_2d_demons", "test_ssd_2d_gauss_newton"])
def test_dipy_registration(fields, monkeypatch, case):
    """Its registration of a circle to a C, which inverts four maps per iteration by ours."""
    cases = pytest.importorskip("dipy.align.tests.test_imwarp")

    def invert(field, world2grid, spacing, iterations, tolerance, *, start):
        dims = field.shape[-1]
        to_grid = np.eye(dims) if world2grid is None else np.asarray(world2grid)[:dims, :dims]
        displacement = as_field(np.asarray(field) @ to_grid.T)
        inverse, residual = qs.invert(displacement.to(torch.float32), iterations, tolerance)
        assert residual.max() < 2 * tolerance
        return np.moveaxis(inverse[0].numpy(), 0, -1) @ np.linalg.inv(to_grid).T.astype("f4")

    monkeypatch.setattr(cases.vfu, "invert_vector_field_fixed_point_2d", invert)
    getattr(cases, case)()
