"""The states of `ab2`, last step first, where nothing was kept: recomputed from the beginning, or
from checkpoints.

With one state held, those of 10 steps cost 20 steps, those of 16 cost 45 (Griewank and Walther,
Algorithm 799, 2000).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ... import _args
from .ab2 import Flow, Path, take_turns


def count_held_states(steps: int) -> int:
    """Count the checkpoints: one up to 16 steps, then about the square root of their number."""
    return max(1, math.isqrt(steps - 1) - 2)


@functools.cache
def _cost(steps: int, held: int) -> tuple[int, int]:
    """Return the fewest steps that visit so many states last first, and the first state to hold as
    a checkpoint.

    Without a free checkpoint every state is recomputed from the start; else one is held, and those
    behind it start there.
    """
    if steps == 1 or held == 0:
        return steps * (steps - 1) // 2, 0
    return min(
        (first + _cost(steps - first, held - 1)[0] + _cost(first, held)[0], first)
        for first in range(1, steps)
    )


@dataclass
class State:
    """State at the beginning of step n: psi_n, v_{n-1} and, if followed, phi_n. Step 0 has none of
    them.
    """

    n: int
    psi: Tensor
    v: Tensor
    phi: Tensor | None


class Replay:
    """work: four fields, which hold nothing between one state and the next."""

    def __init__(self, flow: Flow, follow: bool, work: Tensor):
        self.flow, self.follow, self.work = flow, follow, work
        self.beginning = State(0, work[3], work[3], work[3] if follow else None)
        self.current, *self.held = (self._new() for _ in range(1 + count_held_states(flow.steps)))

    def _new(self) -> State:
        like = self.flow.momentum
        psi, v, *phi = _args.in_huge_pages(like.new_empty((2 + self.follow, *like.shape)))
        return State(0, psi, v, phi[0] if phi else None)

    def states(self) -> Iterator[tuple[int, Path]]:
        """(n, path) from the last step to step 1, the flow having taken w_n, the path holding
        psi_n and, to follow phi, phi_n.
        """
        return self._visit(self.beginning, self.flow.steps, self.held)

    def _visit(self, start: State, stop: int, free: list[State]) -> Iterator[tuple[int, Path]]:
        """Yield the states before `stop`, down to the start, which is overwritten."""
        count, first = stop - start.n, start.n
        if free and count > 1:
            middle = first + _cost(count, len(free))[1]
            yield from self._visit(self._advance_to(start, middle, free[-1]), stop, free[:-1])
            yield from self._visit(start, middle, free)
            return
        for n in range(stop - 1, first, -1):
            yield n, self._extrapolate(self._advance_to(start, n, self.current))
        if first > 0:
            yield first, self._extrapolate(start)

    def _advance_to(self, start: State, n: int, out: State) -> State:
        """Compute the state n from an earlier one, into `out`."""
        flow, first, span = self.flow, start.n, range(start.n, n)
        path = Path()
        path.psi = take_turns(range(n, first, -1), out.psi, self.work[0]) | {first: start.psi}
        path.v = take_turns(reversed(span), out.v, self.work[1]) | {first - 1: start.v}
        if out.phi is not None and start.phi is not None:
            path.phi = take_turns(range(first + 1, n + 1), out.phi) | {first: start.phi}
        if first == 0:
            start.psi.zero_()
            flow.latest(0, path)
            flow.begin(path, path.psi[1], self.work[2])
        flow.run(span, path)
        out.n = n
        return out

    def _extrapolate(self, state: State) -> Path:
        """Turn a state into a path, whose velocity the flow takes."""
        n = state.n
        path = Path({n: state.psi}, {}, {n - 1: state.v, n: self.work[0]})
        if state.phi is not None:
            path.phi[n] = state.phi
        self.flow.latest(n, path)
        self.flow.extrapolate(n, path)
        return path
