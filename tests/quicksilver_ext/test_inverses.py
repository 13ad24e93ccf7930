"""SimpleITK's and nitransforms' inverses, Jacobian and resampling, by our operators in their place.

Skipped where the project is not installed (pip install .[peers]); docs/operators/peers.md has the
counts.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import quicksilver_ext as qs

pytestmark = pytest.mark.slow
GRIDS = [(24, 20), (14, 16, 18)]
both = pytest.mark.parametrize("grid", GRIDS, ids=["2d", "3d"])


def smooth_field(grid: tuple[int, ...]) -> Tensor:
    """(1, D, *S), zero on the border."""
    lines = np.meshgrid(*[np.sin(np.linspace(0, np.pi, n)) ** 2 for n in grid], indexing="ij")
    sizes = (1.5, -1.05, 0.75)[: len(grid)]
    return torch.from_numpy(np.stack([size * np.prod(lines, 0) for size in sizes]))[None]


@pytest.fixture
def sitk():
    return pytest.importorskip("SimpleITK")


def to_itk(sitk, field: Tensor):
    """With axes in ITK's order, the fastest first."""
    vectors = np.moveaxis(field[0].numpy(), 0, -1)[..., ::-1]
    return sitk.GetImageFromArray(np.ascontiguousarray(vectors), isVector=True)


def from_itk(sitk, image) -> Tensor:
    vectors = np.moveaxis(sitk.GetArrayFromImage(image)[..., ::-1], -1, 0)
    return torch.from_numpy(np.ascontiguousarray(vectors, np.float64))[None]


FILTERS = {
    "InvertDisplacementField": (
        {
            "maximumNumberOfIterations": 200,
            "maxErrorToleranceThreshold": 1e-6,
            "meanErrorToleranceThreshold": 1e-8,
        },
        1e-4,
    ),
    "IterativeInverseDisplacementField": ({"numberOfIterations": 200, "stopValue": 1e-9}, 0.25),
    "InverseDisplacementField": ({"subsamplingFactor": 2}, 0.15),
}
"""Options, and the residual in voxels that is left of each of ITK's filters on the fields here."""


@both
@pytest.mark.parametrize("name", FILTERS)
def test_sitk_inverse(sitk, grid, name):
    """As far apart as their residual is large; ours is none."""
    field = smooth_field(grid)
    options, most = FILTERS[name]
    if name == "InverseDisplacementField":
        options = options | {"size": grid[::-1], "outputSpacing": [1.0] * len(grid)}
    theirs = from_itk(sitk, getattr(sitk, name)(to_itk(sitk, field), **options))
    inverse, residual = qs.invert(field, 50, 1e-11)
    error = qs.compose(field, theirs).norm(dim=1).max()
    assert residual.max() < 1e-11
    assert error < most
    assert (inverse - theirs).norm(dim=1).max() <= 2 * error


@both
def test_sitk_jacobian(sitk, grid):
    """Inside; on the faces theirs takes half of the one-sided difference of the displacement."""
    field = smooth_field(grid)
    theirs = sitk.DisplacementFieldJacobianDeterminant(to_itk(sitk, field))
    expected = sitk.GetArrayFromImage(theirs).astype(np.float64)
    found = qs.jacobian_determinant(field)[0, 0].numpy()
    inner = (slice(1, -1),) * len(grid)
    np.testing.assert_allclose(found[inner], expected[inner], rtol=0, atol=1e-12)
    assert found.min() < 0.8


@both
def test_sitk_round_trip(sitk, grid):
    """Points through ITK's transform of the field, and back through our inverse."""
    field = smooth_field(grid)
    there = sitk.DisplacementFieldTransform(to_itk(sitk, field))
    back = sitk.DisplacementFieldTransform(to_itk(sitk, qs.invert(field, 50, 1e-11)[0]))
    points = np.random.default_rng(0).integers(4, 10, (30, len(grid))).astype(float)
    for point in points:
        np.testing.assert_allclose(
            there.TransformPoint(back.TransformPoint(point)), point, rtol=0, atol=1e-9
        )


@pytest.fixture
def dense():
    nonlinear = pytest.importorskip("nitransforms.nonlinear")
    nib = pytest.importorskip("nibabel")
    field = smooth_field(GRIDS[1])
    image = nib.Nifti1Image(np.moveaxis(field[0].numpy(), 0, -1), np.eye(4))
    return nonlinear.DenseFieldTransform(image, is_deltas=True)


def test_nitransforms_map(dense):
    """On samples; between them theirs is a cubic spline."""
    field = smooth_field(GRIDS[1])
    points = np.random.default_rng(0).integers(0, 14, (40, 3))
    moved = field[0].numpy()[(slice(None), *points.T)].T
    np.testing.assert_allclose(dense.map(points.astype(float)), points + moved, atol=1e-5)
    inverse = qs.invert(field, 50, 1e-11)[0][0].numpy()
    back = points + inverse[(slice(None), *points.T)].T
    np.testing.assert_allclose(dense.map(back), points, atol=0.1)


def test_nitransforms_apply(dense):
    nib = pytest.importorskip("nibabel")
    apply = pytest.importorskip("nitransforms.resampling").apply
    image = np.random.default_rng(0).standard_normal(GRIDS[1])
    file = nib.Nifti1Image(image, np.eye(4))
    theirs = apply(dense, file, reference=file, order=1, mode="constant", prefilter=False)
    field = smooth_field(GRIDS[1])
    found = qs.warp(torch.from_numpy(image)[None, None], field, padding_mode="zeros")[0, 0]
    np.testing.assert_allclose(found, np.asarray(theirs.dataobj), rtol=0, atol=2e-5)


def test_nitransforms_inverse():
    """Of an affine, the only inverse that it has; where the inverse stays on the grid."""
    linear = pytest.importorskip("nitransforms.linear")
    grid, matrix = GRIDS[1], np.eye(4)
    matrix[:3] += 0.05 * np.random.default_rng(1).standard_normal((3, 4))
    theirs = (~linear.Affine(matrix)).matrix
    expected = qs.affine(torch.from_numpy(theirs[None, :3]), grid)
    found, _ = qs.invert(qs.affine(torch.from_numpy(matrix[None, :3]), grid), 50, 1e-12)
    axes = [torch.arange(n, dtype=torch.float64) for n in grid]
    landing = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None] + expected
    last = torch.tensor(grid).reshape(1, 3, 1, 1, 1) - 1
    inside = ((landing >= 0) & (landing <= last)).all(1)
    assert inside.double().mean() > 0.5
    assert (found - expected).norm(dim=1)[inside].max() < 1e-10
