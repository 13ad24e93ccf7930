"""Geodesic shooting: EPDiff by its conservation law ``m_t = Ad*_{psi_t} m_0``, ``v_t = K m_t``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .. import _args, _core, _fixed_point, _options
from .._register import operator
from . import ab2, ab2_adjoint
from .adjoint import Ad_star
from .fluid import FluidMetric
from .warp import warp, warp_displacement_gradient

State = tuple[Tensor, ...]


def _fake_update(inverse: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(inverse, memory_format=torch.contiguous_format)


def _save_update(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    inverse, increment, ctx.iterations, _, ctx.padding_mode = inputs
    ctx.save_for_backward(inverse, increment, output)


def _update_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # q = g^-1(x - w(q)), so (I + D(g^-1) Dw) dq = dg^-1 - D(g^-1) dw: the transposed system by the same fixed point.
    inverse, increment, q = ctx.saved_tensors
    back = -warp(increment, q, padding_mode="zeros")

    def through_inverse(vector: Tensor) -> Tensor:
        return vector + warp_displacement_gradient(
            inverse, back, vector, "linear", ctx.padding_mode
        )

    solved = grad
    for _ in range(ctx.iterations):
        pulled = through_inverse(solved)
        solved = grad - warp_displacement_gradient(increment, q, pulled, "linear", "zeros")
    shape, batch = list(inverse.shape[2:]), inverse.shape[0]
    to_inverse = torch.ops.quicksilver.splat(solved, back, shape, batch, "linear", ctx.padding_mode)
    to_increment = -torch.ops.quicksilver.splat(
        through_inverse(solved), q, shape, batch, "linear", "zeros"
    )
    return to_inverse, to_increment, None, None, None


@operator(
    "update_inverse(Tensor inverse, Tensor increment, int iterations, float tolerance, str padding_mode) -> Tensor",
    fake=_fake_update,
    setup_context=_save_update,
    backward=_update_backward,
)
def _update_inverse(
    inverse: Tensor, increment: Tensor, iterations: int, tolerance: float, padding_mode: str
) -> Tensor:
    inverse, increment = inverse.contiguous(), increment.contiguous()
    out = _fake_update(inverse)
    _core.update_inverse(
        _args.field(inverse),
        _args.field(increment),
        _args.field(out),
        iterations,
        tolerance,
        _options.PADDINGS[padding_mode],
        _args.queue(inverse),
    )
    return out


_MANNER = (
    "float alpha, float beta, float gamma, int power, float[] spacing, str pad, str band,"
    " int steps, str composition, str memory"
)


def _flow(momentum: Tensor, manner: tuple[Any, ...]) -> ab2.Flow:
    *numbers, spacing, pad, band, steps, composition, _ = manner
    pads: Any = int(pad) if pad.isdigit() else pad
    alpha, beta, gamma, power = numbers
    metric = FluidMetric(alpha, beta, gamma, power, tuple(spacing), pads, band)
    return ab2.Flow(momentum.contiguous(), metric, steps, composition)


def _fake_ab2(momentum: Tensor, *manner: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, steps, _, memory = manner
    like = _fake_update(momentum)
    kept = momentum.new_empty((ab2.kept_fields(steps, memory), *momentum.shape))
    return like, torch.empty_like(like), kept


def _save_ab2(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    momentum, *ctx.manner = inputs
    ctx.save_for_backward(momentum, output[2])
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _ab2_backward(
    ctx: Any, psi: Tensor | None, phi: Tensor | None, _: Any
) -> tuple[Tensor | None, ...]:
    momentum, kept = ctx.saved_tensors
    gradient = None
    if psi is not None or phi is not None:
        gradient = _shoot_ab2_backward(momentum, psi, phi, kept, *ctx.manner)
    return gradient, *(None for _ in ctx.manner)


@operator(
    f"shoot_ab2_backward(Tensor momentum, Tensor? psi, Tensor? phi, Tensor kept, {_MANNER}) -> Tensor",
    fake=_fake_update,
    batch_axes=((0, 0, 0, 1), ()),
)
def _shoot_ab2_backward(
    momentum: Tensor, psi: Tensor | None, phi: Tensor | None, kept: Tensor, *manner: Any
) -> Tensor:
    if _fixed_point.wanted(momentum) and not torch.is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(
            "shoot: backward: expected no torch.use_deterministic_algorithms on CUDA, whose sums come in any order here, "
            "found it on; turn it off, or shoot on the CPU"
        )
    return ab2_adjoint.backward(_flow(momentum, manner), psi, phi, kept, manner[-1])


@operator(
    f"shoot_ab2(Tensor momentum, {_MANNER}) -> (Tensor, Tensor, Tensor)",
    fake=_fake_ab2,
    setup_context=_save_ab2,
    backward=_ab2_backward,
    batch_axes=((), (0, 0, 1)),
)
def _shoot_ab2(momentum: Tensor, *manner: Any) -> tuple[Tensor, Tensor, Tensor]:
    kept = _fake_ab2(momentum, *manner)[2]
    psi, phi = ab2.shoot(_flow(momentum, manner), kept, manner[-1])
    return psi, phi, kept


class _RungeKutta:
    """PyCA's scheme: RK4 on phi, its inverse by fixed point at every stage. State (psi, phi)."""

    def __init__(self, metric: FluidMetric, steps: int, borders: str, iterations: int):
        self.metric, self.dt, self.iterations = metric, 1 / steps, iterations
        self.faces = "half" if borders == "original" else "one_sided"
        self.padding_mode = "zeros" if borders == "original" else "border"

    def _updated(self, inverse: Tensor, increment: Tensor) -> Tensor:
        # No difference that rounding would not make.
        standstill = 4 * torch.finfo(inverse.dtype).eps
        result: Tensor = _update_inverse(
            inverse, increment, self.iterations, standstill, self.padding_mode
        )
        return result

    def _velocity(self, momentum: Tensor, psi: Tensor) -> Tensor:
        return self.metric.sharp(Ad_star(momentum, psi, self.faces))

    def first(self, momentum: Tensor) -> State:
        zero = torch.zeros_like(momentum)
        return self._move(momentum, zero, zero, self.metric.sharp(momentum))

    def step(self, momentum: Tensor, psi: Tensor, phi: Tensor) -> State:
        return self._move(momentum, psi, phi, self._velocity(momentum, psi))

    def _move(self, momentum: Tensor, psi: Tensor, phi: Tensor, v: Tensor) -> State:
        def increment(velocity: Tensor, at: Tensor) -> Tensor:
            return self.dt * warp(velocity, at, padding_mode="zeros")

        k1 = increment(v, phi)
        k2 = increment(self._velocity(momentum, self._updated(psi, 0.5 * k1)), phi + 0.5 * k1)
        k3 = increment(self._velocity(momentum, self._updated(psi, 0.5 * k2)), phi + 0.5 * k2)
        k4 = increment(self._velocity(momentum, self._updated(psi, k3)), phi + k3)
        w = (k1 + 2 * k2 + 2 * k3 + k4) / 6
        return self._updated(psi, w), phi + w


def _run(step: Callable[..., State], state: State, memory: str) -> State:
    if memory != "fast" and any(t.requires_grad for t in state) and torch.is_grad_enabled():
        result: State = checkpoint(step, *state, use_reentrant=False)
        return result
    return step(*state)


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
    """The geodesic that starts with a momentum, followed for unit time.

    Args:
        momentum: (B, D, *S), m_0 in voxel units of the metric.
        metric: the `FluidMetric` whose K turns momenta into velocities.
        steps: time steps of equal length.
        method: "ab2": second-order Adams-Bashforth with semi-Lagrangian composition, one smoothing per step.
            "rk4": the original Quicksilver's Runge-Kutta scheme, for parity with networks trained on it.
        composition: interpolation of psi in "ab2": "cubic", or "linear" (faster, and several times the error).
        borders: "extended": maps continue outside with their border displacement, in "ab2" velocities with their border
            value, differences are one-sided on the faces. "original" (only "rk4"): maps become the identity outside, differences are halved on the faces.
        memory: what "ab2" keeps for the backward pass, in vector fields of the momentum's size. The gradient is the
            same by any of them, and nothing is kept where none is asked for.

            "fast": psi and v of every step, 2 steps.
            "balanced": psi of every step, steps - 1. Every velocity is computed again.
            "small": nothing. Steps are computed again, some of them often: 20 for 10 steps, 45 for 16, and each velocity
            once more.

            The backward pass itself works with at most 12 fields more, and where phi has a gradient with steps - 1 more, to
            recover phi. With "small" these are 14 in all, and from 17 steps on 3 more for every ceil(sqrt(steps)) - 4.

            "rk4" keeps every intermediate field with "fast", else the state of each step, which it computes again.
        inverse_iterations: fixed-point iterations of "rk4" for each inverse (a voxel stops early when it stands still).

    Returns:
        psi, phi: displacements of phi^-1 and of phi, (B, D, *S), in voxels. ``warp(moving, psi)`` carries the moving
        image over to the target, ``warp(target, phi)`` the target back.

    Cost: 180 bytes per voxel and step (3-D, float32), 72 of them the smoothing on CUDA; see docs/kernels.md.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> x = torch.linspace(-3, 3, 16)
        >>> bump = torch.exp(-(x[:, None] ** 2) - x[None, :] ** 2)
        >>> psi, phi = qs.shoot(0.005 * torch.stack([bump, bump])[None], qs.FluidMetric(pad=16))
        >>> bool(qs.compose(phi, psi).abs().max() < 0.05)
        True
    """
    _options.choice("shoot", "method", method, ("ab2", "rk4"))
    _options.choice("shoot", "composition", composition, ("linear", "cubic"))
    _options.choice("shoot", "borders", borders, ("extended", "original"))
    _options.choice("shoot", "memory", memory, ab2.MEMORY)
    if not isinstance(metric, FluidMetric):
        raise TypeError(
            f"shoot: metric: expected a FluidMetric, found {type(metric).__name__}; make one with qs.FluidMetric()"
        )
    (momentum,) = _args.promoted(momentum)
    _args.check_vectors("shoot", "momentum", momentum)
    _args.check_samples("shoot", "momentum", momentum, composition if method == "ab2" else "linear")
    for name, value in (("steps", steps), ("inverse_iterations", inverse_iterations)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"shoot: {name}: expected an integer >= 1, found {value!r}; try 10")
    if borders == "original" and method != "rk4":
        raise ValueError(
            "shoot: borders: expected 'extended' for method 'ab2', found 'original'; use method='rk4' for parity"
        )
    if method == "ab2":
        keep = memory if momentum.requires_grad and torch.is_grad_enabled() else "none"
        psi, phi, _ = _shoot_ab2(
            momentum,
            *(float(value) for value in (metric.alpha, metric.beta, metric.gamma)),
            metric.power,
            list(metric.spacing),
            str(metric.pad),
            metric.band,
            *(steps, composition, keep),
        )
        return psi, phi
    scheme = _RungeKutta(metric, steps, borders, inverse_iterations)
    state = _run(scheme.first, (momentum,), memory)
    for _ in range(steps - 1):
        state = _run(scheme.step, (momentum, *state), memory)
    return state[0], state[1]
