"""Minimisers of functions of a momentum, many at once.

A `Descent` moves one momentum: it offers a `trial`, is told its energy and gradient, and offers the
next. `minimise` evaluates the trials of all that still move in one batch; nothing else is shared,
so that each goes the way it would go alone.

`Descent` is L-BFGS whose initial inverse Hessian is a multiple of L, the inverse of K: the Hessian
of the kinetic energy is K, so that L makes the first direction the natural gradient -(m0 - L
m_adj). `FixedStep` is the original Quicksilver's: -(K m0 - m_adj), by steps of one length.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.filters import average, dilate

EnergyFunction = Callable[[Tensor, list[int]], Tensor]
"""energy(momenta (b, 3, *S), rows): energies (b,) of momenta for these rows of the batch."""

MEMORY = 6
"""Pairs of differences that L-BFGS keeps: two fields each, for tens of iterations at most."""

LARGEST_STEP = 0.5
"""Largest change of the initial velocity by one iteration, in voxels of the level: longer steps
lower the energy too, but by folds, out of which no later iteration finds."""

LARGE = 0.999
"""Part of the voxels of which that holds as it is; where the others would move further, the
direction is cut there alone: one place that is about to fold must not hold up all the rest.
"""

ARMIJO = 1e-4

QUICKSILVER_STEP = 4e-6
"""Of the original Quicksilver's gradient descent, for energies summed over voxels."""


class Descent:
    """Minimise the energy of one momentum (1, 3, X, Y, Z) by L-BFGS with Armijo backtracking.

    `point` is where it is, `energies` are those at its start and after every iteration, `trial` is
    what to evaluate next. It stops after `iterations`, when an iteration lowers the energy by less
    than `tolerance` times its value, or when no lower energy is found along the direction.
    `step_size` is the change of the initial velocity, in voxels, that the first iteration tries and
    that no later one exceeds; None: `LARGEST_STEP`.
    """

    halvings = 5
    memory = MEMORY

    def __init__(
        self,
        start: Tensor,
        metric: qs.FluidMetric,
        iterations: int,
        tolerance: float,
        step_size: float | None = None,
    ) -> None:
        self.point = self.trial = start.detach()
        self.step_size = self._own_step() if step_size is None else step_size
        self.metric, self.iterations, self.tolerance = metric, iterations, tolerance
        self.energies: list[float] = []
        self.pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=self.memory)
        self.halved = 0
        self.stopped = False

    def _own_step(self) -> float:
        return LARGEST_STEP

    def receive(self, energy: float, gradient: Tensor) -> bool:
        """Take the energy and the gradient of `trial`, and choose the next trial.

        Returns:
            Whether `point` is now at what was the trial.
        """
        if self.energies and not self._accepts(energy):
            self._retreat()
            return False
        if self.energies:
            pair = self.trial - self.point, gradient - self.gradient
            if _dot(*pair) > 0:  # otherwise the model would not be positive definite
                self.pairs.append(pair)
        self.energies.append(energy)
        self.stopped = self._converged()
        self._start_from(self.trial, gradient, halved=0)
        return True

    def _retreat(self) -> None:
        """Halve the step; when halvings run out, drop the L-BFGS history and restart."""
        self.halved += 1
        if self.halved > self.halvings and self.pairs:
            self.pairs.clear()
            self._start_from(self.point, self.gradient, halved=0)
        else:
            self.stopped = self.halved > self.halvings
            self._try()

    def _start_from(self, point: Tensor, gradient: Tensor, halved: int) -> None:
        self.point, self.gradient, self.halved = point, gradient, halved
        if not self.stopped:
            self.direction = self._direction()
            self.slope = _dot(self.direction, gradient)
            self.stopped = not self.slope < 0  # nowhere to go: the gradient is zero, or NaN
            self._try()

    def _try(self) -> None:
        self.trial = self.point + 0.5**self.halved * self.direction

    def _converged(self) -> bool:
        if len(self.energies) < 2:
            return self.iterations == 0
        before, now = self.energies[-2:]
        small = before - now < self.tolerance * abs(before)
        return small or len(self.energies) > self.iterations

    def _accepts(self, energy: float) -> bool:
        bound = self.energies[-1] + ARMIJO * 0.5**self.halved * self.slope
        return math.isfinite(energy) and energy < bound

    def _direction(self) -> Tensor:
        direction = -self._inverse_hessian(self.gradient)
        speed = self._speed(direction)
        large = speed.flatten().kthvalue(math.ceil(LARGE * speed.numel())).values.item()
        if not self.pairs or large > self.step_size:  # the first has no scale of its own
            scale = self.step_size / max(large, torch.finfo(direction.dtype).tiny)
            direction, speed = scale * direction, scale * speed
        direction = direction / _limit(speed / self.step_size)
        return direction / max(self._speed(direction).max().item() / self.step_size, 1.0)

    def _speed(self, direction: Tensor) -> Tensor:
        """Return the largest component of the change of the initial velocity, (1, 1, X, Y, Z)."""
        return self.metric.sharp(direction).abs().amax(dim=1, keepdim=True)

    def _inverse_hessian(self, gradient: Tensor) -> Tensor:
        """Apply the two-loop recursion (Nocedal 1980) around H0 = scale * L."""
        q = gradient.clone()
        weights = []
        for s, y in reversed(self.pairs):
            weight = _dot(s, q) / _dot(s, y)
            q -= weight * y
            weights.append(weight)
        r = _apply_inverse_kernel(self.metric, q)
        if self.pairs:
            s, y = self.pairs[-1]
            r *= _dot(s, y) / _dot(y, _apply_inverse_kernel(self.metric, y))
        for (s, y), weight in zip(self.pairs, reversed(weights), strict=True):
            r += (weight - _dot(y, r) / _dot(s, y)) * s
        return r

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that `resume` needs, once the energy of the start has been received."""
        tensors = {"point": self.point, "gradient": self.gradient}
        for age, (moved, change) in enumerate(self.pairs):
            tensors |= {f"moved{age}": moved, f"change{age}": change}
        return tensors, {"energies": self.energies, "halved": self.halved, "stopped": self.stopped}

    def resume(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Continue as the descent would have whose state this was."""
        self.energies, self.stopped = list(numbers["energies"]), numbers["stopped"]
        count = sum(name.startswith("moved") for name in tensors)
        self.pairs.extend((tensors[f"moved{k}"], tensors[f"change{k}"]) for k in range(count))
        self._start_from(tensors["point"], tensors["gradient"], numbers["halved"])


class FixedStep(Descent):
    """The original Quicksilver's gradient descent: a fixed number of steps of one length.

    `step_size` is what the gradient is multiplied by; None: `QUICKSILVER_STEP`.
    """

    halvings = 0
    memory = 0

    def _own_step(self) -> float:
        return QUICKSILVER_STEP

    def _converged(self) -> bool:
        return len(self.energies) > self.iterations

    def _direction(self) -> Tensor:
        return -self.step_size * self.gradient

    def _accepts(self, energy: float) -> bool:
        return math.isfinite(energy)


def minimise(
    energy: EnergyFunction,
    descents: Sequence[Descent],
    report: Callable[[list[int]], None] = lambda moved: None,
) -> None:
    """Move every descent until it has stopped.

    Args:
        energy: Evaluates a batch of trials.
        descents: The descents, one for each row of the batch.
        report: Called after every batch of trials with the rows that are at a new point.
    """
    while rows := [row for row, descent in enumerate(descents) if not descent.stopped]:
        trials = torch.cat([descents[row].trial for row in rows]).requires_grad_()
        with torch.enable_grad():  # wherever this is called from
            values = energy(trials, rows)
            (gradients,) = torch.autograd.grad(values.sum(), trials)
        # Copies, since a view of one row would keep the whole batch in memory.
        news = zip(rows, values.tolist(), map(torch.clone, gradients.split(1)), strict=True)
        report([row for row, *received in news if descents[row].receive(*received)])


def _limit(speed: Tensor) -> Tensor:
    """Return what to divide a direction by so that speeds above 1 become about 1, smoothly.

    A jump would leave a net momentum where momenta cancel each other.
    """
    return average(dilate(speed.clamp(min=1), 2), 2)


def _apply_inverse_kernel(metric: qs.FluidMetric, field: Tensor) -> Tensor:
    """Apply L to a field continued beyond the faces by its border values, unless the grid is a
    torus.

    Continued by zero, the field's whole jump would become momentum on the faces.
    """
    if metric.pad == "none":
        return metric.flat(field)
    reach = 2 * metric.power  # of the stencil, and to spare
    faces = 2 * (field.dim() - 2)
    wide = metric.flat(F.pad(field, [reach] * faces, mode="replicate"))
    return F.pad(wide, [-reach] * faces)


def _dot(a: Tensor, b: Tensor) -> float:
    return torch.sum(a * b, dtype=torch.float64).item()
