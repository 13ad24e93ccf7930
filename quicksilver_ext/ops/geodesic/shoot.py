"""Geodesic shooting: EPDiff by its conservation law ``m_t = Ad*_{psi_t} m_0``, ``v_t = K m_t``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ... import _args, _fixed_point, _options
from ..._autograd import may_need_gradient
from ..._register import operator
from ..fluid import FluidMetric
from . import ab2, ab2_adjoint, rk4
from .range_check import warn_out_of_grid

_SETTINGS = (
    "float alpha, float beta, float gamma, int power, float[] spacing, str pad, str band,"
    " int steps, str composition, str memory"
)


def _flow(momentum: Tensor, settings: tuple[Any, ...]) -> ab2.Flow:
    *numbers, spacing, pad, band, steps, composition, _ = settings
    pads: Any = int(pad) if pad.isdigit() else pad
    alpha, beta, gamma, power = numbers
    metric = FluidMetric(alpha, beta, gamma, power, tuple(spacing), pads, band)
    return ab2.Flow(momentum.contiguous(), metric, steps, composition)


def _fake_backward(momentum: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(momentum, memory_format=torch.contiguous_format)


def _fake_ab2(momentum: Tensor, *settings: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, steps, _, memory = settings
    like = _fake_backward(momentum)
    kept = momentum.new_empty((ab2.count_kept_fields(steps, memory), *momentum.shape))
    return like, torch.empty_like(like), kept


def _save_ab2(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    momentum, *ctx.settings = inputs
    ctx.save_for_backward(momentum, output[2])
    ctx.mark_non_differentiable(output[2])


def _ab2_backward(
    ctx: Any, psi: Tensor | None, phi: Tensor | None, _: Any
) -> tuple[Tensor | None, ...]:
    momentum, kept = ctx.saved_tensors
    gradient = _shoot_ab2_backward(momentum, psi, phi, kept, *ctx.settings)
    return gradient, *(None for _ in ctx.settings)


@operator(
    f"shoot_ab2_backward(Tensor momentum, Tensor? psi, Tensor? phi, Tensor kept, {_SETTINGS}) -> "
    "Tensor",
    fake=_fake_backward,
    batch_axes=((0, 0, 0, 1), ()),
)
def _shoot_ab2_backward(
    momentum: Tensor, psi: Tensor | None, phi: Tensor | None, kept: Tensor, *settings: Any
) -> Tensor:
    _options.check_choice("shoot_ab2_backward", "memory", settings[-1], ab2.MEMORY)
    if (
        _fixed_point.is_wanted(momentum)
        and not torch.is_deterministic_algorithms_warn_only_enabled()
    ):
        raise RuntimeError(
            "shoot: backward: expected no torch.use_deterministic_algorithms on CUDA, whose sums "
            "come in any order here, found it on; turn it off, or shoot on the CPU"
        )
    return ab2_adjoint.backward(_flow(momentum, settings), psi, phi, kept, settings[-1])


@operator(
    f"shoot_ab2(Tensor momentum, {_SETTINGS}) -> (Tensor, Tensor, Tensor)",
    fake=_fake_ab2,
    setup_context=_save_ab2,
    backward=_ab2_backward,
    batch_axes=((), (0, 0, 1)),
)
def _shoot_ab2(momentum: Tensor, *settings: Any) -> tuple[Tensor, Tensor, Tensor]:
    kept = _fake_ab2(momentum, *settings)[2]
    psi, phi = ab2.shoot(_flow(momentum, settings), kept, settings[-1])
    return psi, phi, kept


def _check_options(
    metric: FluidMetric, method: str, composition: str, borders: str, memory: str
) -> None:
    _options.check_choice("shoot", "method", method, ("ab2", "rk4"))
    _options.check_choice("shoot", "composition", composition, ("linear", "cubic"))
    _options.check_choice("shoot", "borders", borders, ("extended", "original"))
    _options.check_choice("shoot", "memory", memory, ab2.MEMORY)
    if not isinstance(metric, FluidMetric):
        raise TypeError(
            f"shoot: metric: expected a FluidMetric, found {type(metric).__name__}; make one with "
            "qs.FluidMetric()"
        )
    if borders == "original" and method != "rk4":
        raise ValueError(
            "shoot: borders: expected 'extended' for method 'ab2', found 'original'; use "
            "method='rk4' for parity"
        )


def shoot(
    momentum: Tensor,
    metric: FluidMetric,
    steps: int = 10,
    method: str = "ab2",
    composition: str = "cubic",
    borders: str = "extended",
    memory: str = "fast",
    inverse_iterations: int = 5,
    check: bool = True,
) -> tuple[Tensor, Tensor]:
    """The geodesic that starts with a momentum, followed for unit time.

    Args:
        momentum: (B, D, *S), m_0 in voxel units of the metric.
        metric: the `FluidMetric` whose K turns momenta into velocities.
        steps: time steps of equal length.
        method: "ab2": second-order Adams-Bashforth with semi-Lagrangian composition, one smoothing
            per step. "rk4": the original Quicksilver's Runge-Kutta scheme, for parity with networks
            trained on it.
        composition: interpolation of psi in "ab2": "cubic", or "linear" (faster, and several times
            the error).
        borders: "extended": maps continue outside with their border displacement, in "ab2"
            velocities with their border value, differences are one-sided on the faces. "original"
            (only "rk4"): maps become the identity outside, differences are halved on the faces.
        memory: what "ab2" keeps for the backward pass, in vector fields of the momentum's size. The
            gradient is the same by any of them, and nothing is kept where none is asked for.

            "fast": psi and v of every step, 2 steps. "balanced": psi of every step, steps - 1.
            Every velocity is computed again. "small": nothing. Steps are computed again, some of
            them often: 20 for 10 steps, 45 for 16, and each velocity once more.

            The backward pass itself works with at most 15 fields more, and where phi has a gradient
            with steps - 1 more, to recover phi. With "small" these are 17 in all, and from 17 steps
            on 3 more for every ceil(sqrt(steps)) - 4.

            "rk4" keeps every intermediate field with "fast", else the state of each step, which it
            computes again.
        inverse_iterations: fixed-point iterations of "rk4" for each inverse (a voxel stops early
            when it stands still).
        check: warn (`OutOfGridWarning`) where a displacement is longer than the grid along an axis,
            or not finite: the momentum is too large, and the maps are chaotic in any precision. On
            CUDA this waits for the result; not looked at there are results that need a gradient,
            and recordings of a graph. Nor is what torch.compile or torch.func traces.

    Returns:
        psi, phi: displacements of phi^-1 and of phi, (B, D, *S), in voxels. ``warp(moving, psi)``
        carries the moving image over to the target, ``warp(target, phi)`` the target back.

    Cost:
        260 bytes per voxel and step (3-D, float32), 72 of them the smoothing on CUDA; see
        docs/kernels.md.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> x = torch.linspace(-3, 3, 16)
        >>> bump = torch.exp(-(x[:, None] ** 2) - x[None, :] ** 2)
        >>> psi, phi = qs.shoot(0.005 * torch.stack([bump, bump])[None], qs.FluidMetric(pad=16))
        >>> bool(qs.compose(phi, psi).abs().max() < 0.05)
        True
    """
    _check_options(metric, method, composition, borders, memory)
    (momentum,) = _args.promote(momentum)
    _args.check_vectors("shoot", "momentum", momentum)
    _args.check_samples(
        "shoot", "momentum", momentum.shape[2:], composition if method == "ab2" else "linear"
    )
    _options.check_integer("shoot", "steps", steps)
    _options.check_integer("shoot", "inverse_iterations", inverse_iterations)
    if method == "ab2":
        keep = memory if may_need_gradient(momentum) else "none"
        psi, phi, _ = _shoot_ab2(
            momentum,
            *(float(value) for value in (metric.alpha, metric.beta, metric.gamma)),
            metric.power,
            list(metric.spacing),
            str(metric.pad),
            metric.band,
            *(steps, composition, keep),
        )
    else:
        scheme = rk4.RungeKutta(metric, steps, borders, inverse_iterations)
        psi, phi = rk4.shoot(scheme, momentum, memory)
    if check:
        warn_out_of_grid(momentum, psi, phi)
    return psi, phi
