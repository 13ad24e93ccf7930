"""Every operator with arguments that fit, for tests of what all of them can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver_ext import reference

MODES = ["linear", "cubic", "nearest"]
PADDINGS = ["border", "zeros", "reflect", "wrap"]
METRIC = qs.FluidMetric(0.5, 0.3, 0.5)


@dataclass
class Case:
    """call(module, *tensors) with module quicksilver_ext or its twin; inputs(fields, grid, batch)
    in float64.
    """

    call: Callable[..., Any]
    inputs: Callable[..., tuple[Tensor, ...]]
    broadcast: bool = True  # a batch of one in the first argument
    twice: bool = True  # differentiable twice
    mapped: bool = True  # has a rule for vmap
    forward: bool = True  # has derivatives in forward mode
    tolerance: float = 1e-11


def image_and_map(fields, grid, batch):
    return fields.noise(grid, 2, batch), fields.displacement(grid, 1.7)


def two_maps(fields, grid, batch):
    return fields.displacement(grid, 1.3, batch), fields.displacement(grid, 0.7)


def vector(fields, grid, batch):
    return (fields.displacement(grid, 0.7),)


def three_images(fields, grid, batch):
    image, target = fields.noise(grid, 2, batch), fields.noise(grid, 2)
    return image, target, fields.displacement(grid, 1.7)


def matrix_and_map(fields, grid, batch):
    dims = len(grid)
    noise = 0.1 * fields.noise((dims + 1,), dims, batch)
    eye = torch.eye(dims, dims + 1, dtype=noise.dtype, device=noise.device)
    return noise + eye, fields.displacement(grid, 0.7)


def one_image(fields, grid, batch):
    return (fields.noise(grid, 2),)


def bigger(tensor: Tensor) -> list[int]:
    return [n + 2 for n in tensor.shape[2:]]


def sharp(m: Any, momentum: Tensor) -> Tensor:
    return METRIC.sharp(momentum) if m is qs else reference.sharp(momentum, METRIC)


def flat(m: Any, velocity: Tensor) -> Tensor:
    return METRIC.flat(velocity) if m is qs else reference.flat(velocity, METRIC)


def patches(m: Any, image: Tensor) -> Tensor:
    corners = torch.zeros(2, image.ndim - 1, dtype=torch.int64, device=image.device)
    corners[1] = 1
    found = m.extract_patches(image, corners, 3)
    return m.average_patches(found, corners, tuple(image.shape[2:]), image.shape[0])


OPERATORS = {
    "warp": Case(lambda m, i, u: m.warp(i, u, "cubic", "reflect"), image_and_map),
    "splat": Case(lambda m, i, u: m.splat(i, u, bigger(i), "linear", "zeros"), image_and_map),
    "splat_count": Case(lambda m, u: m.splat_count(u, bigger(u), "cubic"), vector, False),
    "compose": Case(lambda m, a, b: m.compose(a, b, "cubic"), two_maps),
    "exponential": Case(lambda m, v: m.exponential(v, 2), vector, False),
    "invert": Case(lambda m, u: m.invert(u, 30, 1e-13)[0], vector, False, False, tolerance=1e-8),
    "gradient": Case(lambda m, f: m.gradient(f), one_image, False),
    "divergence": Case(lambda m, v: m.divergence(v), vector, False),
    "jacobian": Case(lambda m, u: m.jacobian(u), vector, False),
    "jacobian_determinant": Case(
        lambda m, u: m.jacobian_determinant(u), vector, False, twice=False
    ),
    "Ad": Case(lambda m, v, u: m.Ad(v, u, -0.5 * u), two_maps, twice=True),
    "Ad_star": Case(lambda m, p, u: m.Ad_star(p, u), two_maps, twice=False),
    "ad": Case(lambda m, v, w: m.ad(v, w), two_maps),
    "ad_star": Case(lambda m, v, p: m.ad_star(v, p), two_maps),
    "affine": Case(lambda m, a, u: m.affine(a, displacement=u), matrix_and_map),
    "resize": Case(lambda m, i: m.resize(i, bigger(i), "cubic"), one_image, False),
    "resize_displacement": Case(lambda m, u: m.resize_displacement(u, bigger(u)), vector, False),
    "ssd": Case(lambda m, i, j, u: m.ssd(i, j, u), three_images),
    "box_mean": Case(lambda m, f: m.box_mean(f, 3), one_image, False),
    "lncc": Case(lambda m, i, j, u: m.lncc(i, j, u, 3, 0.1), three_images, tolerance=1e-9),
    "sharp": Case(sharp, vector, False),
    "flat": Case(flat, vector, False),
    "shoot": Case(
        lambda m, p: torch.cat(m.shoot(p, METRIC, 2)), vector, False, twice=False, forward=False
    ),
    "patches": Case(patches, one_image, False, mapped=False),
}
GRIDS = [(5, 4), (4, 5, 6)]


def leaves(name, fields, grid, batch=1) -> list[Tensor]:
    return [t.clone().requires_grad_() for t in OPERATORS[name].inputs(fields, grid, batch)]


def run(name: str, *tensors: Tensor) -> Tensor:
    return OPERATORS[name].call(qs, *tensors)


def gradients(result: Tensor, tensors: list[Tensor]) -> tuple[Tensor, ...]:
    weight = torch.linspace(-1, 2, result.numel()).reshape(result.shape).to(result)
    return torch.autograd.grad((weight * result).sum(), tensors, materialize_grads=True)
