"""The integrator "ab2" of `shoot`: second-order Adams-Bashforth, semi-Lagrangian, one smoothing per
step.

With ``dt = 1 / steps``, ``v_n = K Ad*_{psi_n} m_0`` and ``w_n = 1.5 v_n - 0.5 v_{n-1}`` a step is

    psi_{n+1} = d + psi_n(x + d),  d = -dt w_n(x - dt/2 w_n(x))
    phi_{n+1} = phi_n + dt w_n(x + phi_n + dt/2 w_n(x + phi_n)),

the displacements of phi^-1 and phi. Nothing precedes v_0: w_0 is the velocity after half a step
with v_0.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ... import _args, _core, _options
from ..fluid import FluidMetric

MEMORY = ("fast", "balanced", "small")


def count_kept_fields(steps: int, memory: str) -> int:
    """Count the vector fields kept for the backward pass."""
    return {"fast": 2 * steps, "balanced": steps - 1, "small": 0, "none": 0}[memory]


@dataclass
class Path:
    """The buffer of every quantity by step. Steps may share a buffer; a map that is not wanted has
    none.
    """

    psi: dict[int, Tensor] = field(default_factory=dict)
    phi: dict[int, Tensor] = field(default_factory=dict)
    v: dict[int, Tensor] = field(default_factory=dict)
    first_w: Tensor | None = None  # w_0, which unlike the others is no mean of velocities


def take_turns(steps: Iterable[int], *buffers: Tensor) -> dict[int, Tensor]:
    return dict(zip(steps, itertools.cycle(buffers), strict=False))


@dataclass
class Flow:
    """The flow of a momentum (B, D, *S) under a metric. Every result is written into a given
    buffer, but for the velocity of the step at hand, which the flow itself holds, interleaved.
    """

    momentum: Tensor
    metric: FluidMetric
    steps: int
    composition: str

    def __post_init__(self) -> None:
        self.queue = _args.queue_of(self.momentum)
        self.sharp = self.metric.smoothing(self.momentum)
        self.dt = 1 / self.steps
        self.w = _args.new_vectors(self.momentum)
        self.psi = _args.new_vectors(self.momentum)  # before the step at hand, interleaved

    def velocity(self, psi: Tensor, out: Tensor) -> None:
        """out = K Ad*_psi m_0."""
        fields = (_args.field(self.momentum), _args.field(psi), _args.field(out))
        _core.Ad_star(*fields, _options.FACES["one_sided"], self.queue)
        self.sharp(out, out)

    def latest(self, n: int, path: Path) -> None:
        """Compute v_n of the path."""
        if n == 0:
            self.sharp(self.momentum, path.v[0])
        else:
            self.velocity(path.psi[n], path.v[n])

    def take(self, velocity: Tensor) -> None:
        """Take a velocity for that of the step at hand."""
        self._interleave(velocity, velocity, self.w)

    def extrapolate(self, n: int, path: Path) -> None:
        """Take w_n of the path, n > 0."""
        self._interleave(path.v[n], path.v[n - 1], self.w, beyond=0.5)

    def begin(self, path: Path, halfway: Tensor, w: Tensor) -> None:
        """Compute and take w_0 of the path from its v_0; psi after half a step is left in
        `halfway`, and w_0 in `w`.
        """
        self.take(path.v[0])
        self.advance(0, path.psi[0], halfway, part=0.5)
        self.velocity(halfway, w)
        self.take(w)

    def run(self, span: range, path: Path, known: Sequence[str] = ()) -> None:
        """Run the steps of a span, once w_0 is taken; known: quantities that the path holds
        already.
        """
        for n in span:
            if n > 0:
                if "v" not in known:
                    self.latest(n, path)
                self.extrapolate(n, path)
            if "psi" not in known:
                self.advance(n, path.psi[n], path.psi[n + 1])
            if path.phi:
                self.follow(path.phi[n], path.phi[n + 1])

    def advance(self, n: int, psi: Tensor, out: Tensor, part: float = 1.0) -> None:
        """Compute psi after step n, or after a part of it."""
        velocity, before = self.gathered(psi)
        dt, mode = part * self.dt, self.interpolation(n)
        _core.advance(velocity, before, _args.field(out), dt, mode, self.queue)

    def gathered(self, psi: Tensor) -> tuple[_core.Field, _core.Field]:
        """Return the velocity of the step at hand and psi before it, interleaved."""
        self._interleave(psi, psi, self.psi)
        return _args.vectors(self.w), _args.vectors(self.psi)

    def follow(self, phi: Tensor, out: Tensor) -> None:
        """Compute phi after a step; out may be phi."""
        velocity = _args.vectors(self.w)
        _core.follow(velocity, _args.field(phi), _args.field(out), self.dt, self.queue)

    def _interleave(self, late: Tensor, early: Tensor, out: Tensor, beyond: float = 0.0) -> None:
        fields = (_args.field(late), _args.field(early), _args.vectors(out))
        _core.interleave(*fields, beyond, self.queue)

    def interpolation(self, n: int) -> _core.Mode:
        """Return the interpolation of psi_n: linear, the cheapest, for psi_0, which is zero."""
        return _options.MODES[self.composition if n > 0 else "linear"]


def known_path(kept: Tensor, steps: int, memory: str) -> Path:
    """Return the kept part of a path: psi_1 .. with memory "fast" and "balanced", v_0 .. and w_0
    too with "fast".
    """
    path = Path()
    if memory in ("fast", "balanced"):
        path.psi = {n: kept[n - 1] for n in range(1, steps)}
    if memory == "fast":
        path.v = {n: kept[steps - 1 + n] for n in range(steps)}
        path.first_w = kept[2 * steps - 1]
    return path


def shoot(flow: Flow, kept: Tensor, memory: str) -> tuple[Tensor, Tensor]:
    """Compute psi and phi at time 1; what the backward pass needs is left in `kept`.

    kept: (count_kept_fields(steps, memory), B, D, *S).
    """
    steps, like = flow.steps, flow.momentum
    psi, phi, zero = (_args.in_huge_pages(torch.empty_like(like)) for _ in range(3))
    path = known_path(_args.in_huge_pages(kept), steps, memory)
    path.psi = path.psi or take_turns(
        range(steps, -1, -1), psi, _args.in_huge_pages(torch.empty_like(like))
    )
    path.psi |= {0: zero.zero_(), steps: psi}
    path.phi = take_turns(range(steps + 1), phi) | {0: zero}
    path.v = path.v or take_turns(
        range(steps), *_args.in_huge_pages(like.new_empty((2, *like.shape)))
    )
    flow.latest(0, path)
    flow.begin(path, path.psi[1], phi if path.first_w is None else path.first_w)
    flow.run(range(steps), path)
    return psi, phi
