"""Momenta whose maps do not fold: damped where they do, and shot again.

In the continuum no geodesic folds; on a grid a momentum can be too strong for the voxels. Where psi
folds in the target's space, the momentum to blame is around psi(x) in the moving image's. It is
damped there by a smooth bump that grows with every round, so that a few voxels' folds cost no more
than their surroundings, and the last resort, the whole momentum, always ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.folds import find_folds

Shoot = Callable[[Tensor], tuple[Tensor, Tensor]]

REACH = 2
"""How far the first round widens what folds, in voxels, and how far it falls off beyond that; each
round adds as much."""

ROUNDS = 6
"""After so many local rounds, the whole momentum is damped."""

DAMPING = 0.7
"""What a round leaves of the momentum in the middle of a bump."""


@dataclass(frozen=True)
class Unfolded:
    """A momentum and its maps, free of folds, after so many rounds of damping (0: as it was)."""

    momentum: Tensor
    psi: Tensor
    phi: Tensor
    rounds: int


@torch.no_grad()
def unfolded(momentum: Tensor, shoot: Shoot) -> Unfolded:
    """The momentum (B, 3, X, Y, Z), damped where psi folds, and `shoot` of it: (psi, phi), both
    finite.

    Where nothing folds, this costs one count of folds beside the shot. A pair's momentum stays as
    it is where only another's folds. Not differentiable.

    >>> metric = qs.FluidMetric(pad=8)
    >>> wild = torch.zeros(1, 3, 12, 12, 12); wild[..., 5:7, 5:7, 5:7] = 1.0
    >>> tame = unfolded(wild, lambda momentum: qs.shoot(momentum, metric, steps=4))
    >>> tame.rounds > 0, bool(find_folds(tame.psi)[0].any())
    (True, False)
    """
    psi, phi = shoot(momentum)
    rounds = 0
    while (where := find_folds(psi)[0]).any():
        rounds += 1
        momentum = momentum * (1 - (1 - DAMPING) * _bump(where, psi, rounds))
        psi, phi = shoot(momentum)
    return Unfolded(momentum, psi, phi, rounds)


def _bump(where: Tensor, psi: Tensor, rounds: int) -> Tensor:
    """1 where psi takes the folded voxels, falling to 0 within the reach of this round."""
    if rounds > ROUNDS:
        return where.flatten(1).any(1).view(-1, 1, 1, 1, 1).to(psi.dtype)
    bump = (qs.splat(where.to(psi.dtype), psi) > 0).to(psi.dtype)
    for pool in (F.max_pool3d, F.avg_pool3d):  # widened, then smoothed: 1 in the middle, 0 afar
        bump = _along_axes(pool, bump, REACH * rounds)
    return bump


def _along_axes(pool: Callable[..., Tensor], field: Tensor, reach: int) -> Tensor:
    """A pooling over cubes of 2 reach + 1 voxels, one axis after the other; past the faces, what
    is on them."""
    for axis in range(3):
        ends = [reach if a == axis else 0 for a in (2, 2, 1, 1, 0, 0)]
        size = [2 * reach + 1 if a == axis else 1 for a in range(3)]
        field = pool(F.pad(field, ends, mode="replicate"), size, 1)
    return field
