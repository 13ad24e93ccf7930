"""The exact discrete adjoint of `ab2`: its steps backwards, each by the transposed kernels of its
parts.

Where forward has one smoothing, one Ad*, a foot with a composition and a step of phi, backward has
one smoothing, three splats of vectors and three gradients of gathers, and two and two more for phi.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ... import _args, _core, _options
from .ab2 import Flow, Path, known_path, take_turns
from .ab2_replay import Replay


class Cotangents:
    """The gradients by psi_n, phi_n and v_{n-1} as n goes down, and the sum by the momentum."""

    def __init__(self, flow: Flow, psi: Tensor | None, phi: Tensor | None):
        like = flow.momentum
        self.flow = flow
        self.psi, self.v, self.momentum, self.spare = (
            _args.in_huge_pages(torch.empty_like(like)) for _ in range(4)
        )
        self.psi.zero_() if psi is None else self.psi.copy_(psi)
        self.phi = None if phi is None else _args.in_huge_pages(torch.empty_like(like)).copy_(phi)
        self.psi_moves = psi is not None
        self.v.zero_()
        self.momentum.zero_()
        self.work = _args.in_huge_pages(like.new_empty((4, *like.shape)))

    def step(self, n: int, psi: Tensor, phi: Tensor | None) -> None:
        """Step n > 0, whose velocity the flow has taken: w_n = 1.5 v_n - 0.5 v_{n-1},
        v_n = K Ad*_{psi_n} m_0.
        """
        to_v, to_w = self.work[2], self.work[3]
        self._pull_back_maps(n, psi, phi)
        torch.add(self.v, to_w, alpha=1.5, out=to_v)
        torch.mul(to_w, -0.5, out=self.v)
        self._pull_back_velocity(to_v, psi)

    def first_step(self, v: Tensor, w: Tensor, zero: Tensor, halfway: Tensor) -> None:
        """Step 0: v_0 = K m_0, w_0 = K Ad*_halfway m_0 after half a step with v_0; psi_0 = phi_0 =
        0.
        """
        self.flow.take(w)
        self._pull_back_maps(0, zero, zero)
        self.psi.zero_()
        self._pull_back_velocity(self.work[3], halfway)
        self.flow.take(v)
        self._pull_back_psi(0, zero, part=0.5)
        self.v.add_(self.work[3])
        self.flow.sharp(self.v, self.spare)
        self.momentum.add_(self.spare)

    def _pull_back_maps(self, n: int, psi: Tensor, phi: Tensor | None) -> None:
        """The steps of both maps, psi and phi become the gradients before them; that by w is left
        in work[3].
        """
        if self.psi_moves:
            self._pull_back_psi(n, psi)
        else:  # a gradient by psi_1 of zero, in the last step only
            self.work[3].zero_()
            self.psi_moves = True
        if self.phi is not None and phi is not None:
            middle, at_middle, at_phi, to_w = map(_args.field, self.work)
            _core.follow_gradient(
                _args.vectors(self.flow.w),
                _args.field(phi),
                _args.field(self.phi),
                middle,
                at_middle,
                at_phi,
                to_w,
                self.flow.dt,
                self.flow.queue,
            )

    def _pull_back_psi(self, n: int, psi: Tensor, part: float = 1.0) -> None:
        foot, back, pulled, to_w = map(_args.field, self.work)
        _core.advance_gradient(
            *self.flow.gathered(psi),
            _args.field(self.psi),
            foot,
            back,
            pulled,
            _args.field(self.spare),
            to_w,
            part * self.flow.dt,
            self.flow.interpolation(n),
            self.flow.queue,
        )
        self.psi, self.spare = self.spare, self.psi

    def _pull_back_velocity(self, to_v: Tensor, psi: Tensor) -> None:
        """v = K Ad*_psi m_0: adds to the gradients by psi and the momentum. to_v may be any of the
        work.
        """
        momentum, queue = self.flow.momentum, self.flow.queue
        faces, dims = _options.FACES["one_sided"], momentum.shape[1]
        self.flow.sharp(to_v, self.spare)
        matrices = self.work[:dims].view(momentum.shape[0], dims * dims, *momentum.shape[2:])
        pulled, spare, at = _args.field(self.work[3]), _args.field(self.spare), _args.field(psi)
        _core.Ad_star_gradient(
            _args.field(momentum), at, spare, pulled, _args.field(matrices), spare, faces, queue
        )
        _core.splat(
            pulled, at, _args.field(self.momentum), 0, _options.sampling("linear", "zeros"), queue
        )
        self.psi.add_(self.spare)
        _core.gradient_transpose(_args.field(matrices), spare, faces, queue)
        self.psi.add_(self.spare)


class History:
    """Recover the states of the forward pass, last step first: psi and perhaps the velocities were
    kept, the rest is recomputed in buffers of its own.
    """

    def __init__(self, flow: Flow, kept: Tensor, memory: str, follow: bool, work: Tensor):
        self.flow, self.work = flow, work
        self.known = {"fast": ("psi", "v"), "balanced": ("psi",)}[memory]
        like, steps = flow.momentum, range(flow.steps)
        self.path = known_path(kept, flow.steps, memory)
        self.path.psi[0] = work[0].zero_()
        if not self.velocities_known:
            turn = _args.in_huge_pages(like.new_empty((2, *like.shape))).unbind()
            self.path.v = take_turns(steps, *turn)
        if follow:
            phi = _args.in_huge_pages(like.new_empty((flow.steps - 1, *like.shape)))
            self.path.phi = {0: work[0]} | take_turns(steps[1:], *phi)

    @property
    def velocities_known(self) -> bool:
        return "v" in self.known

    def states(self) -> Iterator[tuple[int, Path]]:
        """(n, path) from the last step to step 1, the flow having taken w_n, the path holding
        psi_n and, to follow phi, phi_n.
        """
        path, last = self.path, self.flow.steps - 1
        if path.phi:
            self._follow()
        if not self.velocities_known:
            self.flow.latest(last, path)
        for n in range(last, 0, -1):
            if not self.velocities_known:
                self.flow.latest(n - 1, path)
            self.flow.extrapolate(n, path)
            yield n, path

    def _follow(self) -> None:
        """phi of every step."""
        path, flow = self.path, self.flow
        if path.first_w is not None:
            flow.take(path.first_w)
        else:
            flow.latest(0, path)
            flow.begin(path, self.work[2], self.work[1])
        flow.run(range(flow.steps - 1), path, self.known)


def _rewind(cotangents: Cotangents, history: History | Replay) -> None:
    """Pull back through all steps but the first, whose buffers are needed only after the history's
    are free.
    """
    for n, path in history.states():
        cotangents.step(n, path.psi[n], path.phi.get(n))


def _restore_beginning(flow: Flow, kept: Tensor, memory: str) -> tuple[Tensor, ...]:
    """Recompute v_0, w_0, the displacement of the identity and psi after half a step."""
    zero, halfway = (_args.in_huge_pages(torch.empty_like(flow.momentum)) for _ in range(2))
    path = known_path(kept, flow.steps, memory)
    path.psi[0] = zero.zero_()
    if path.first_w is not None:
        flow.take(path.v[0])
        flow.advance(0, zero, halfway, part=0.5)
        return path.v[0], path.first_w, zero, halfway
    v, w = (_args.in_huge_pages(torch.empty_like(zero)) for _ in range(2))
    path.v[0] = v
    flow.latest(0, path)
    flow.begin(path, halfway, w)
    return v, w, zero, halfway


def backward(
    flow: Flow, psi: Tensor | None, phi: Tensor | None, kept: Tensor, memory: str
) -> Tensor:
    """Compute the gradient by the momentum from those by psi and phi at time 1 (None: zero) and
    what `ab2.shoot` kept.
    """
    cotangents, follow = Cotangents(flow, psi, phi), phi is not None
    if memory == "small":
        _rewind(cotangents, Replay(flow, follow, cotangents.work))
    else:
        _rewind(cotangents, History(flow, kept, memory, follow, cotangents.work))
    cotangents.first_step(*_restore_beginning(flow, kept, memory))
    return cotangents.momentum
