"""Geodesic shooting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .adjoint import Ad_star
from .fluid import sharp
from .warp import compose, warp

if TYPE_CHECKING:
    from quicksilver_ext import FluidMetric


def shoot(
    momentum: Tensor,
    metric: FluidMetric,
    steps: int = 10,
    method: str = "ab2",
    composition: str = "cubic",
    borders: str = "extended",
    memory: str = "fast",
    inverse_iterations: int = 5,
) -> tuple[Tensor, Tensor]:
    """Displacements (psi, phi) of phi_1^-1 and phi_1 of the geodesic with this initial momentum.

    method ab2 (semi-Lagrangian, `composition` linear or cubic) or rk4 (PyCA's, `borders` original
    or extended, `inverse_iterations` of its fixed point). `memory` changes no value.
    """
    if method == "ab2":
        return _shoot_ab2(momentum, metric, steps, composition)
    return _shoot_rk4(momentum, metric, steps, borders, inverse_iterations)


def _foot(velocity: Tensor, dt: float) -> Tensor:
    """Displacement to where a particle that arrives at x started dt earlier: midpoint rule."""
    return -dt * warp(velocity, -dt / 2 * velocity, "linear", "border")


def _shoot_ab2(m0: Tensor, metric: FluidMetric, steps: int, mode: str) -> tuple[Tensor, Tensor]:
    dt = 1 / steps
    psi, phi = torch.zeros_like(m0), torch.zeros_like(m0)
    velocity = sharp(m0, metric)
    for step in range(steps):
        if step == 0:  # nothing to extrapolate from: the velocity after half an Euler step
            mean = sharp(Ad_star(m0, _foot(velocity, dt / 2)), metric)
        else:
            previous, velocity = velocity, sharp(Ad_star(m0, psi), metric)
            mean = 1.5 * velocity - 0.5 * previous
        psi = compose(psi, _foot(mean, dt), mode, "border")
        middle = phi + dt / 2 * warp(mean, phi, "linear", "border")
        phi = phi + dt * warp(mean, middle, "linear", "border")
    return psi, phi


def _shoot_rk4(
    m0: Tensor, metric: FluidMetric, steps: int, borders: str, iterations: int
) -> tuple[Tensor, Tensor]:
    """IntegrateGeodesic of PyCA: phi by RK4, psi carried along by fixed-point iterations."""
    dt = 1 / steps
    faces, outside = ("half", "zeros") if borders == "original" else ("one_sided", "border")
    psi, phi = torch.zeros_like(m0), torch.zeros_like(m0)

    def inverse(change: Tensor) -> Tensor:  # of id + phi + change, near id + psi
        result = psi
        for _ in range(iterations):
            result = compose(psi, -warp(change, result, "linear", "zeros"), "linear", outside)
        return result

    def slope(psi: Tensor, phi: Tensor) -> Tensor:
        return dt * warp(sharp(Ad_star(m0, psi, faces), metric), phi, "linear", "zeros")

    for step in range(steps):
        # At t = 0 with half differences Ad_star of the identity would not be the identity.
        k1 = slope(psi, phi) if step > 0 else dt * sharp(m0, metric)
        k2 = slope(inverse(k1 / 2), phi + k1 / 2)
        k3 = slope(inverse(k2 / 2), phi + k2 / 2)
        k4 = slope(inverse(k3), phi + k3)
        change = (k1 + 2 * k2 + 2 * k3 + k4) / 6
        phi, psi = phi + change, inverse(change)
    return psi, phi
