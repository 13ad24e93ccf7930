"""Arguments that every operator refuses, and its registration with torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import quicksilver_ext as qs

SHAPE = (6, 7, 8)
IMAGE = torch.randn(2, 1, *SHAPE)
VECTOR = torch.randn(2, 3, *SHAPE)
PLANE = torch.randn(2, 2, 6, 7)
CORNERS = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
PATCHES = torch.randn(2, 1, 4, 4, 4)
SPARSE = CORNERS.to_sparse()
QUANTIZED = torch.quantize_per_tensor(IMAGE, 0.1, 0, torch.quint8)
METRIC = qs.FluidMetric()
MATRIX = torch.eye(3, 4)[None]
STRETCHED = qs.FluidMetric(spacing=(1.0, 1.5, 2.0))
NAN, INF = math.nan, math.inf

# (operator, argument, error, call): the sentence begins with "operator: argument: ".
REFUSED = [
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE.to_sparse(), VECTOR)),
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE.to_mkldnn(), VECTOR)),
    ("warp", "image", TypeError, lambda: qs.warp(torch.nested.nested_tensor([*IMAGE]), VECTOR)),
    ("warp", "image", TypeError, lambda: qs.warp(QUANTIZED, VECTOR, "nearest")),
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE > 0, VECTOR)),
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE.to(torch.float8_e5m2), VECTOR, "nearest")),
    ("warp", "displacement", TypeError, lambda: qs.warp(IMAGE, VECTOR.to_sparse())),
    ("warp", "displacement", TypeError, lambda: qs.warp(IMAGE.bfloat16(), VECTOR.bfloat16())),
    ("warp", "displacement", ValueError, lambda: qs.warp(IMAGE.to("meta"), VECTOR)),
    ("warp", "mode", ValueError, lambda: qs.warp(IMAGE, VECTOR, ["linear"])),
    ("warp", "padding_mode", ValueError, lambda: qs.warp(IMAGE, VECTOR, padding_mode={})),
    ("warp_labels", "labels", TypeError, lambda: qs.warp_labels(QUANTIZED, VECTOR)),
    ("splat", "values", TypeError, lambda: qs.splat(IMAGE.bfloat16(), VECTOR)),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, "678")),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, 6)),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, (6.5, 7, 8))),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, (10**9, 10**9, 10**9))),
    ("splat_count", "shape", ValueError, lambda: qs.splat_count(VECTOR, (NAN, 7, 8))),
    ("resize", "image", TypeError, lambda: qs.resize(IMAGE > 0, SHAPE)),
    ("resize", "shape", ValueError, lambda: qs.resize(IMAGE, None)),
    ("resize", "shape", ValueError, lambda: qs.resize(IMAGE, ("6", "7", "8"))),
    ("resize", "shape", ValueError, lambda: qs.resize(IMAGE, (True, 7, 8))),
    ("affine", "shape", ValueError, lambda: qs.affine(MATRIX, (-1, 7, 8))),
    ("affine", "shape", ValueError, lambda: qs.affine(MATRIX, 7)),
    ("affine", "matrix", TypeError, lambda: qs.affine(MATRIX.to_sparse(), SHAPE)),
    ("affine", "matrix", TypeError, lambda: qs.affine([[1.0, 0.0, 0.0]], SHAPE)),
    (
        "affine",
        "displacement",
        ValueError,
        lambda: qs.affine(MATRIX.to("meta"), displacement=VECTOR),
    ),
    ("Ad", "inverse", ValueError, lambda: qs.Ad(VECTOR, VECTOR, VECTOR.repeat(2, 1, 1, 1, 1))),
    ("invert", "iterations", ValueError, lambda: qs.invert(VECTOR, 2.5)),
    ("invert", "iterations", ValueError, lambda: qs.invert(VECTOR, "10")),
    ("invert", "tolerance", ValueError, lambda: qs.invert(VECTOR, tolerance="1e-4")),
    ("exponential", "squarings", ValueError, lambda: qs.exponential(VECTOR, True)),
    ("shoot", "steps", ValueError, lambda: qs.shoot(VECTOR, METRIC, True)),
    ("lncc", "window", ValueError, lambda: qs.lncc(IMAGE, IMAGE, VECTOR, True)),
    ("lncc", "epsilon", ValueError, lambda: qs.lncc(IMAGE, IMAGE, VECTOR, epsilon=-1.0)),
    ("lncc", "epsilon", ValueError, lambda: qs.lncc(IMAGE, IMAGE, VECTOR, epsilon="1")),
    ("sharp", "momentum", TypeError, lambda: METRIC.sharp(VECTOR.to_sparse())),
    ("patch_corners", "shape", ValueError, lambda: qs.patch_corners("567", 3, 2)),
    ("patch_corners", "shape", ValueError, lambda: qs.patch_corners((5.5, 6), 3, 2)),
    ("extract_patches", "corners", TypeError, lambda: qs.extract_patches(IMAGE, SPARSE, 4)),
    ("average_patches", "shape", ValueError, lambda: qs.average_patches(PATCHES, CORNERS, 6)),
    ("warp", "image", TypeError, lambda: qs.warp(np.zeros((1, 1, 4, 4)), PLANE)),
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE.half(), VECTOR.double())),
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE.int(), VECTOR)),
    ("warp", "image", TypeError, lambda: qs.warp(IMAGE.cfloat(), VECTOR, "nearest")),
    ("warp", "image", ValueError, lambda: qs.warp(IMAGE[0, 0], VECTOR)),
    ("warp", "image", ValueError, lambda: qs.warp(IMAGE[:, :0], VECTOR)),
    ("warp", "image", ValueError, lambda: qs.warp(IMAGE[..., :3], VECTOR, "cubic")),
    ("warp", "displacement", TypeError, lambda: qs.warp(IMAGE, None)),
    ("warp", "displacement", TypeError, lambda: qs.warp(IMAGE, VECTOR.double())),
    ("warp", "displacement", TypeError, lambda: qs.warp(IMAGE.int(), VECTOR.int(), "nearest")),
    ("warp", "displacement", ValueError, lambda: qs.warp(IMAGE, VECTOR[:, :2])),
    ("warp", "displacement", ValueError, lambda: qs.warp(IMAGE, PLANE)),
    ("warp", "displacement", ValueError, lambda: qs.warp(IMAGE, VECTOR.repeat(2, 1, 1, 1, 1))),
    ("warp", "displacement", ValueError, lambda: qs.warp(IMAGE, VECTOR.to("meta"))),
    ("warp", "mode", ValueError, lambda: qs.warp(IMAGE, VECTOR, "bilinear")),
    ("warp", "padding_mode", ValueError, lambda: qs.warp(IMAGE, VECTOR, "linear", "reflection")),
    ("splat", "values", TypeError, lambda: qs.splat(IMAGE.int(), VECTOR)),
    ("splat", "displacement", ValueError, lambda: qs.splat(IMAGE, VECTOR[..., :-1])),
    ("splat", "displacement", TypeError, lambda: qs.splat(IMAGE, VECTOR.double())),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, (6, 7))),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, (6, 0, 7))),
    ("splat", "shape", ValueError, lambda: qs.splat(IMAGE, VECTOR, (6, -1, 7))),
    ("splat", "mode", ValueError, lambda: qs.splat(IMAGE, VECTOR, mode=3)),
    ("splat", "padding_mode", ValueError, lambda: qs.splat(IMAGE, VECTOR, padding_mode="mirror")),
    ("splat_count", "displacement", ValueError, lambda: qs.splat_count(IMAGE)),
    ("splat_count", "shape", ValueError, lambda: qs.splat_count(VECTOR, (6, 7))),
    ("splat_count", "mode", ValueError, lambda: qs.splat_count(VECTOR, mode="bilinear")),
    ("warp_labels", "labels", TypeError, lambda: qs.warp_labels(IMAGE, VECTOR)),
    ("warp_labels", "displacement", ValueError, lambda: qs.warp_labels(IMAGE.int(), IMAGE)),
    (
        "warp_labels",
        "padding_mode",
        ValueError,
        lambda: qs.warp_labels(IMAGE.int(), VECTOR, "edge"),
    ),
    ("gradient", "field", TypeError, lambda: qs.gradient(IMAGE.int())),
    ("gradient", "faces", ValueError, lambda: qs.gradient(IMAGE, "full")),
    ("divergence", "field", ValueError, lambda: qs.divergence(IMAGE)),
    ("jacobian", "displacement", ValueError, lambda: qs.jacobian(IMAGE)),
    ("ssd", "image", TypeError, lambda: qs.ssd(IMAGE.int(), IMAGE, VECTOR)),
    ("ssd", "target", ValueError, lambda: qs.ssd(IMAGE, VECTOR, VECTOR)),
    ("ssd", "target", ValueError, lambda: qs.ssd(IMAGE, IMAGE[..., :-1], VECTOR)),
    ("ssd", "displacement", TypeError, lambda: qs.ssd(IMAGE, IMAGE, VECTOR.double())),
    ("ssd", "padding_mode", ValueError, lambda: qs.ssd(IMAGE, IMAGE, VECTOR, "wrap")),
    ("lncc", "displacement", ValueError, lambda: qs.lncc(IMAGE, IMAGE, IMAGE)),
    ("lncc", "window", ValueError, lambda: qs.lncc(IMAGE, IMAGE, VECTOR, 4)),
    ("ad", "velocity", ValueError, lambda: qs.ad(IMAGE, VECTOR)),
    ("ad", "other", ValueError, lambda: qs.ad(VECTOR, VECTOR[..., :-1])),
    ("ad_star", "momentum", TypeError, lambda: qs.ad_star(VECTOR, VECTOR.double())),
    ("Ad", "displacement", ValueError, lambda: qs.Ad(VECTOR, VECTOR[..., :-1])),
    ("Ad", "inverse", ValueError, lambda: qs.Ad(VECTOR, VECTOR, VECTOR[..., :-1])),
    ("exponential", "velocity", ValueError, lambda: qs.exponential(IMAGE)),
    ("exponential", "squarings", ValueError, lambda: qs.exponential(VECTOR, -1)),
    ("exponential", "mode", ValueError, lambda: qs.exponential(VECTOR, mode="nearest")),
    ("affine", "shape", TypeError, lambda: qs.affine(MATRIX)),
    ("affine", "shape", TypeError, lambda: qs.affine(MATRIX, SHAPE, VECTOR)),
    ("affine", "matrix", TypeError, lambda: qs.affine(MATRIX.int(), SHAPE)),
    ("affine", "matrix", ValueError, lambda: qs.affine(MATRIX, SHAPE[:2])),
    ("affine", "displacement", TypeError, lambda: qs.affine(MATRIX.double(), displacement=VECTOR)),
    ("affine", "displacement", ValueError, lambda: qs.affine(MATRIX, displacement=IMAGE)),
    ("resize", "shape", ValueError, lambda: qs.resize(IMAGE, (4, 4))),
    ("resize", "shape", ValueError, lambda: qs.resize(IMAGE, (4, 4, 1), align_corners=True)),
    ("resize", "mode", ValueError, lambda: qs.resize(IMAGE, SHAPE, "area")),
    (
        "resize_displacement",
        "displacement",
        ValueError,
        lambda: qs.resize_displacement(IMAGE, SHAPE),
    ),
    ("compose", "outer", ValueError, lambda: qs.compose(IMAGE, VECTOR)),
    ("compose", "inner", ValueError, lambda: qs.compose(VECTOR, VECTOR[..., :-1])),
    ("compose", "inner", TypeError, lambda: qs.compose(VECTOR, VECTOR.double())),
    ("compose", "mode", ValueError, lambda: qs.compose(VECTOR, VECTOR, "nearest")),
    ("invert", "displacement", ValueError, lambda: qs.invert(IMAGE)),
    ("invert", "displacement", TypeError, lambda: qs.invert(VECTOR.int())),
    ("invert", "iterations", ValueError, lambda: qs.invert(VECTOR, iterations=0)),
    ("invert", "tolerance", ValueError, lambda: qs.invert(VECTOR, tolerance=NAN)),
    ("invert", "tolerance", ValueError, lambda: qs.invert(VECTOR, tolerance=-1.0)),
    ("jacobian_determinant", "displacement", ValueError, lambda: qs.jacobian_determinant(IMAGE)),
    ("smallest_determinant", "displacement", ValueError, lambda: qs.smallest_determinant(IMAGE)),
    ("box_mean", "field", TypeError, lambda: qs.box_mean(IMAGE.int(), 3)),
    ("box_mean", "window", ValueError, lambda: qs.box_mean(IMAGE, 4)),
    ("jacobian_determinant", "faces", ValueError, lambda: qs.jacobian_determinant(VECTOR, "full")),
    ("Ad_star", "momentum", ValueError, lambda: qs.Ad_star(IMAGE, VECTOR)),
    ("Ad_star", "displacement", ValueError, lambda: qs.Ad_star(VECTOR, VECTOR[..., :-1])),
    ("Ad_star", "displacement", TypeError, lambda: qs.Ad_star(VECTOR, VECTOR.double())),
    ("Ad_star", "faces", ValueError, lambda: qs.Ad_star(VECTOR, VECTOR, "clamp")),
    ("FluidMetric", "alpha", ValueError, lambda: qs.FluidMetric(alpha=NAN)),
    ("FluidMetric", "alpha", ValueError, lambda: qs.FluidMetric(alpha=0, gamma=0)),
    ("FluidMetric", "beta", ValueError, lambda: qs.FluidMetric(beta=-1.0)),
    ("FluidMetric", "gamma", ValueError, lambda: qs.FluidMetric(gamma=INF)),
    ("FluidMetric", "power", ValueError, lambda: qs.FluidMetric(power=0)),
    ("FluidMetric", "power", ValueError, lambda: qs.FluidMetric(power=1.5)),
    ("FluidMetric", "spacing", ValueError, lambda: qs.FluidMetric(spacing=(1.0, 0.0, 1.0))),
    ("FluidMetric", "spacing", ValueError, lambda: qs.FluidMetric(spacing=(1.0,))),
    ("FluidMetric", "pad", ValueError, lambda: qs.FluidMetric(pad="same")),
    ("FluidMetric", "pad", ValueError, lambda: qs.FluidMetric(pad=-1)),
    ("FluidMetric", "band", ValueError, lambda: qs.FluidMetric(band="quarter")),
    ("FluidMetric", "band", ValueError, lambda: qs.FluidMetric(band=None)),
    ("sharp", "momentum", ValueError, lambda: METRIC.sharp(IMAGE)),
    ("sharp", "momentum", TypeError, lambda: METRIC.sharp(VECTOR.half())),
    ("sharp", "momentum", ValueError, lambda: STRETCHED.sharp(PLANE)),
    ("flat", "velocity", ValueError, lambda: METRIC.flat(VECTOR[0])),
    ("shoot", "momentum", ValueError, lambda: qs.shoot(IMAGE, METRIC)),
    ("shoot", "momentum", TypeError, lambda: qs.shoot(VECTOR.int(), METRIC)),
    ("shoot", "metric", TypeError, lambda: qs.shoot(VECTOR, None)),
    ("shoot", "steps", ValueError, lambda: qs.shoot(VECTOR, METRIC, 0)),
    ("shoot", "steps", ValueError, lambda: qs.shoot(VECTOR, METRIC, 2.5)),
    ("shoot", "method", ValueError, lambda: qs.shoot(VECTOR, METRIC, method="euler")),
    ("shoot", "composition", ValueError, lambda: qs.shoot(VECTOR, METRIC, composition="spline")),
    ("shoot", "borders", ValueError, lambda: qs.shoot(VECTOR, METRIC, borders="periodic")),
    ("shoot", "borders", ValueError, lambda: qs.shoot(VECTOR, METRIC, borders="original")),
    ("shoot", "memory", ValueError, lambda: qs.shoot(VECTOR, METRIC, memory="none")),
    (
        "shoot",
        "inverse_iterations",
        ValueError,
        lambda: qs.shoot(VECTOR, METRIC, method="rk4", inverse_iterations=0),
    ),
    ("patch_corners", "shape", ValueError, lambda: qs.patch_corners((14, 20, 20), 15, 14)),
    ("patch_corners", "size", ValueError, lambda: qs.patch_corners((14, 20), 0, 1)),
    ("patch_corners", "stride", ValueError, lambda: qs.patch_corners((14, 20), 5, 0)),
    ("extract_patches", "image", ValueError, lambda: qs.extract_patches(IMAGE[0, 0], CORNERS, 4)),
    ("extract_patches", "image", TypeError, lambda: qs.extract_patches(IMAGE.int(), CORNERS, 4)),
    ("extract_patches", "corners", TypeError, lambda: qs.extract_patches(IMAGE, [[0] * 4], 4)),
    ("extract_patches", "corners", TypeError, lambda: qs.extract_patches(IMAGE, CORNERS.int(), 4)),
    (
        "extract_patches",
        "corners",
        ValueError,
        lambda: qs.extract_patches(IMAGE, CORNERS[:, 2:], 4),
    ),
    ("extract_patches", "corners", ValueError, lambda: qs.extract_patches(IMAGE, CORNERS + 1, 4)),
    ("extract_patches", "corners", ValueError, lambda: qs.extract_patches(IMAGE, CORNERS - 1, 4)),
    ("extract_patches", "corners", ValueError, lambda: qs.extract_patches(IMAGE, CORNERS, 7)),
    ("extract_patches", "size", ValueError, lambda: qs.extract_patches(IMAGE, CORNERS, 0)),
    (
        "average_patches",
        "patches",
        ValueError,
        lambda: qs.average_patches(PATCHES[..., :3], CORNERS, SHAPE, 2),
    ),
    (
        "average_patches",
        "corners",
        ValueError,
        lambda: qs.average_patches(PATCHES, CORNERS[:1], SHAPE, 2),
    ),
    ("average_patches", "corners", ValueError, lambda: qs.average_patches(PATCHES, CORNERS, SHAPE)),
    (
        "average_patches",
        "corners",
        ValueError,
        lambda: qs.average_patches(PATCHES, CORNERS, (6, 7, 7), 2),
    ),
]


@pytest.mark.parametrize(
    ("operator", "argument", "error", "call"),
    REFUSED,
    ids=[f"{index}-{case[0]}-{case[1]}" for index, case in enumerate(REFUSED)],
)
def test_refused(operator, argument, error, call):
    """One sentence that names the operator and the argument: expected, found, what to do."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{operator}: {argument}: expected ")
    assert "found" in message
    assert ";" in message
    assert "\n" not in message


def test_meta_tensors_give_shapes():
    """As torch's operators do: nothing is computed."""
    image, u, matrix = (t.to("meta") for t in (IMAGE, VECTOR, MATRIX))
    results = [
        qs.warp(image, u),
        qs.splat(image, u),
        *qs.invert(u),
        qs.affine(matrix, displacement=u),
        METRIC.sharp(u),
        *qs.shoot(u, METRIC, 2),
        qs.resize(image, (3, 4, 5)),
    ]
    assert all(result.is_meta for result in results)
    assert [tuple(result.shape[2:]) for result in results] == [SHAPE] * 8 + [(3, 4, 5)]


def test_a_boolean_mask_is_a_label_map():
    mask, still = IMAGE > 0, torch.zeros_like(VECTOR)
    assert torch.equal(qs.warp(mask, still, "nearest"), mask)
    assert torch.equal(qs.warp_labels(mask, still), mask)


def test_shapes_may_be_arrays_and_tensors():
    expected = qs.resize(IMAGE, (3, 4, 5))
    for shape in (np.array([3, 4, 5]), torch.tensor([3, 4, 5]), torch.Size([3, 4, 5])):
        assert torch.equal(qs.resize(IMAGE, shape), expected)


def test_an_empty_batch_is_no_error():
    assert qs.warp(IMAGE[:0], VECTOR[:0]).shape == (0, 1, *SHAPE)
    assert qs.extract_patches(IMAGE, CORNERS[:0], 4).shape == (0, 1, 4, 4, 4)


def test_a_batch_of_one_is_broadcast(close):
    images = torch.randn(3, 2, *SHAPE, dtype=torch.float64)
    one = torch.randn(1, 3, *SHAPE, dtype=torch.float64)
    close(qs.warp(images, one), qs.warp(images, one.repeat(3, 1, 1, 1, 1)))
    many = one + torch.randn(3, 3, *SHAPE, dtype=torch.float64)
    close(qs.warp(images[:1], many), qs.warp(images[:1].repeat(3, 1, 1, 1, 1), many))
