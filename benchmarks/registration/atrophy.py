"""Simulated atrophy: a diffeomorphism that changes the volumes of structures by what was asked.

The velocity v of the flow is smooth and its divergence is the rate of growth asked for in every
structure, and none in the rest of the brain: the least of

    sum w (div v - rate)^2 + stiffness |grad v|^2,

w being small outside of the brain and in fluid nobody asked for, which may give way. Differences
are central and periodic, so that minus a difference is its own transpose: leave a margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.filters import blur

STIFFNESS = 0.02
YIELDING = 0.02  # weight of what may give way
FLUID = (4, 11, 46, 49, 50, 51, 52)  # codes of ventricles and CSF
ITERATIONS = 60  # of conjugate gradients
ROUNDS = 4  # of asking more where less came out
MARGIN = 8  # voxels around the brain


@dataclass(frozen=True)
class Change:
    """A known change of a brain.

    Args:
        forth: Displacement (1, 3, X, Y, Z) in voxels that takes a point of the brain before to
            where it is after.
        back: Its inverse.
    """

    forth: Tensor
    back: Tensor


def simulate_atrophy(labels: np.ndarray, asked: Mapping[tuple[int, ...], float]) -> Change:
    """Make the change that grows structures to exp(asked) times their volume.

    Args:
        labels: (X, Y, Z), of the brain before.
        asked: By the codes of a structure.
    """
    wide = torch.from_numpy(np.pad(labels.astype(np.int32), MARGIN))
    regions = [torch.isin(wide, torch.tensor(codes)) for codes in asked]
    yielding = torch.isin(wide, torch.tensor((0, *FLUID)))
    for region in regions:
        yielding &= ~region
    weight = torch.where(yielding, YIELDING, 1.0)
    wanted = torch.tensor(list(asked.values()))
    rates, velocity = wanted.clone(), torch.zeros(3, *wide.shape)
    for _ in range(ROUNDS):
        rate = torch.zeros(wide.shape)
        for region, value in zip(regions, rates, strict=True):
            rate[region] = value
        velocity = _find_velocity(blur(rate[None, None])[0, 0], weight, velocity)
        determinant = qs.jacobian_determinant(qs.exponential(velocity[None]))[0, 0]
        found = torch.stack([determinant[region].mean().log() for region in regions])
        rates += wanted - found
    forth, back = (qs.exponential(velocity[None], inverse=way) for way in (False, True))
    inner = (..., *(slice(MARGIN, -MARGIN),) * 3)
    return Change(forth[inner].contiguous(), back[inner].contiguous())


def measure_volume_changes(
    determinant: Tensor | np.ndarray, labels: np.ndarray, structures: Mapping[str, tuple[int, ...]]
) -> dict[str, float]:
    """Measure the logarithm of every structure's volume after over before.

    It is that of the mean Jacobian determinant (X, Y, Z) over the structure. Structures that the
    labels lack are left out.
    """
    values = np.asarray(determinant)
    found = {name: np.isin(labels, codes) for name, codes in structures.items()}
    return {
        name: math.log(max(float(values[inside].mean()), 1e-6))
        for name, inside in found.items()
        if inside.any()
    }


def _find_velocity(rate: Tensor, weight: Tensor, start: Tensor) -> Tensor:
    """Find the velocity (3, X, Y, Z) of least energy, by conjugate gradients from a first guess."""

    def apply(v: Tensor) -> Tensor:
        return -_gradient(weight * _divergence(v)) - STIFFNESS * _laplacian(v)

    return _solve(apply, -_gradient(weight * rate), start)


def _solve(apply: Callable[[Tensor], Tensor], right: Tensor, start: Tensor) -> Tensor:
    """Solve apply(x) = right, of a positive linear map, by conjugate gradients."""
    x, residual = start, right - apply(start)
    direction, square = residual, residual.square().sum()
    for _ in range(ITERATIONS):
        image = apply(direction)
        step = square / (direction * image).sum().clamp(min=1e-30)
        x, residual = x + step * direction, residual - step * image
        last, square = square, residual.square().sum()
        direction = residual + square / last.clamp(min=1e-30) * direction
    return x


def _difference(field: Tensor, axis: int) -> Tensor:
    return (field.roll(-1, axis) - field.roll(1, axis)) / 2


def _divergence(v: Tensor) -> Tensor:
    return _difference(v[0], 0) + _difference(v[1], 1) + _difference(v[2], 2)


def _gradient(field: Tensor) -> Tensor:
    return torch.stack([_difference(field, axis) for axis in range(3)])


def _laplacian(v: Tensor) -> Tensor:
    return sum((v.roll(1, axis) + v.roll(-1, axis) for axis in (1, 2, 3)), -6 * v)
