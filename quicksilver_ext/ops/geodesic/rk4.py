"""The integrator "rk4" of `shoot`: PyCA's Runge-Kutta scheme, as in the original Quicksilver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ... import _args, _core, _options
from ..._register import operator
from ..adjoint import Ad_star
from ..fluid import FluidMetric
from ..warp import warp, warp_displacement_gradient

State = tuple[Tensor, ...]


def _fake_update(inverse: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(inverse, memory_format=torch.contiguous_format)


def _save_update(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    inverse, increment, ctx.iterations, _, ctx.padding_mode = inputs
    ctx.save_for_backward(inverse, increment, output)


def _update_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # q = g^-1(x - w(q)), so (I + D(g^-1) Dw) dq = dg^-1 - D(g^-1) dw: the transposed system by the
    # same fixed point.
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
    "update_inverse(Tensor inverse, Tensor increment, int iterations, float tolerance, str "
    "padding_mode) -> Tensor",
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
        _args.queue_of(inverse),
    )
    return out


class RungeKutta:
    """PyCA's scheme: RK4 on phi, its inverse by fixed point at every stage. State (psi, phi)."""

    def __init__(self, metric: FluidMetric, steps: int, borders: str, iterations: int):
        self.metric, self.steps, self.iterations = metric, steps, iterations
        self.dt = 1 / steps
        self.faces = "half" if borders == "original" else "one_sided"
        self.padding_mode = "zeros" if borders == "original" else "border"

    def _update(self, inverse: Tensor, increment: Tensor) -> Tensor:
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
        k2 = increment(self._velocity(momentum, self._update(psi, 0.5 * k1)), phi + 0.5 * k1)
        k3 = increment(self._velocity(momentum, self._update(psi, 0.5 * k2)), phi + 0.5 * k2)
        k4 = increment(self._velocity(momentum, self._update(psi, k3)), phi + k3)
        w = (k1 + 2 * k2 + 2 * k3 + k4) / 6
        return self._update(psi, w), phi + w


def _run(step: Callable[..., State], state: State, memory: str) -> State:
    if memory != "fast" and any(t.requires_grad for t in state) and torch.is_grad_enabled():
        result: State = checkpoint(step, *state, use_reentrant=False)
        return result
    return step(*state)


def shoot(scheme: RungeKutta, momentum: Tensor, memory: str) -> tuple[Tensor, Tensor]:
    """Compute psi and phi at time 1; memory: "fast" keeps every intermediate field, any other the
    state of each step.
    """
    state = _run(scheme.first, (momentum,), memory)
    for _ in range(scheme.steps - 1):
        state = _run(scheme.step, (momentum, *state), memory)
    return state[0], state[1]
