"""Momenta whose maps do not fold: smoothed where they do, and shot again.

In the continuum no geodesic folds; on a grid a momentum can be too rough for the voxels. Where psi
folds in the target's space, the momentum to blame is around psi(x) in the moving image's. There it
is smoothed, in a bump a few voxels wide, more in every round: what moves large parts stays, what
squeezes single voxels goes. (On a pair of 2302 folded voxels two rounds cost 0.004 of the overlap
where damping by 0.7 cost 0.022.) What smoothing cannot mend is damped in growing bumps, and the
last resort, damping the whole momentum, always ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.filters import averaged, blurred, widened
from quicksilver.transforms.folds import find_folds

Shoot = Callable[[Tensor], tuple[Tensor, Tensor]]

REACH = 1
"""How far a bump widens what folds, in grains, and how far it falls off beyond that; where it damps,
each round adds as much."""

SMOOTHED = 6
"""So many rounds smooth."""

DAMPED = 6
"""So many more damp locally; then the whole momentum is damped."""

DAMPING = 0.7
"""What such a round leaves of the momentum in the middle of a bump."""


@dataclass(frozen=True)
class Unfolded:
    """A momentum and its maps, free of folds, after so many rounds (0: as it was); raw: psi of the
    momentum as it was."""

    momentum: Tensor
    psi: Tensor
    phi: Tensor
    rounds: int
    raw: Tensor


@torch.no_grad()
def unfolded(momentum: Tensor, shoot: Shoot, grain: int = 1) -> Unfolded:
    """The momentum (B, 3, X, Y, Z), smoothed where psi folds, and `shoot` of it: (psi, phi), both
    finite.

    grain: of how many voxels the finest features of the momentum are: the factor by which the grid
    was coarser on which it was predicted.

    Where nothing folds, this costs one count of folds beside the shot. A pair's momentum stays as
    it is where only another's folds. Not differentiable.

    >>> metric = qs.FluidMetric(pad=8)
    >>> wild = torch.zeros(1, 3, 12, 12, 12); wild[..., 5:7, 5:7, 5:7] = 1.0
    >>> tame = unfolded(wild, lambda momentum: qs.shoot(momentum, metric, steps=4))
    >>> tame.rounds > 0, bool(find_folds(tame.psi)[0].any())
    (True, False)
    """
    raw, phi = shoot(momentum)
    psi, rounds = raw, 0
    while (where := find_folds(psi)[0]).any():
        rounds += 1
        momentum = _tamer(momentum, where, psi, rounds, grain)
        psi, phi = shoot(momentum)
    return Unfolded(momentum, psi, phi, rounds, raw)


def _tamer(momentum: Tensor, where: Tensor, psi: Tensor, rounds: int, grain: int) -> Tensor:
    """The momentum after one more round."""
    reach = REACH * grain
    if rounds <= SMOOTHED:
        smooth = momentum
        for _ in range(2 * rounds * grain**2):
            smooth = blurred(smooth)
        return torch.lerp(momentum, smooth, _bump(where, psi, reach))
    damped = rounds - SMOOTHED
    if damped <= DAMPED:
        bump = _bump(where, psi, reach * (1 + damped))
    else:
        bump = where.flatten(1).any(1).view(-1, 1, 1, 1, 1).to(psi.dtype)
    return momentum * (1 - (1 - DAMPING) * bump)


def _bump(where: Tensor, psi: Tensor, reach: int) -> Tensor:
    """1 where psi takes the folded voxels and `reach` around, falling to 0 within twice that."""
    bump = (qs.splat(where.to(psi.dtype), psi) > 0).to(psi.dtype)
    return averaged(widened(bump, reach), reach)  # 1 in the middle, 0 afar
