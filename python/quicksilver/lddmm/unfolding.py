"""Smooth momenta where their maps fold, and shoot them again.

In the continuum no geodesic folds; on a grid a momentum can be too rough for the voxels. Where psi
folds in the target's space, the momentum to blame is around psi(x) in the moving image's. There it
is smoothed, in a bump a few voxels wide, more in every round: what moves large parts stays, what
squeezes single voxels goes; damping costs several times as much overlap (docs/register.md). What
smoothing cannot mend is damped in growing bumps, and the last resort, damping the whole momentum,
always ends.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.filters import average, blur, dilate
from quicksilver.images.pyramid import downsample_momentum, upsample_momentum
from quicksilver.transforms.folds import find_folds

Shoot = Callable[[Tensor], tuple[Tensor, Tensor]]
Box = tuple[slice, ...]

REACH = 1
"""How far a bump widens what folds, in grains, and how far it falls off beyond that; where it
damps, each round adds as much.
"""

SMOOTHED = 6
"""So many rounds smooth."""

DAMPED = 6
"""So many more damp locally; then the whole momentum is damped."""

DAMPING = 0.7
"""What such a round leaves of the momentum in the middle of a bump."""

BLOCK = 32
"""Voxels along the edges of the blocks by which a momentum is smoothed."""


@dataclass(frozen=True)
class Unfolded:
    """A momentum whose map has no folds.

    Args:
        momentum: (B, 3, X, Y, Z).
        psi: Its map.
        phi: The inverse map.
        rounds: Number of rounds it took, on the grid where it took more; 0: nothing folded.
    """

    momentum: Tensor
    psi: Tensor
    phi: Tensor
    rounds: int

    def map(self, change: Callable[[Tensor], Tensor]) -> Unfolded:
        """Apply a function to the momentum and the maps."""
        momentum, psi, phi = map(change, (self.momentum, self.psi, self.phi))
        return Unfolded(momentum, psi, phi, self.rounds)


@torch.no_grad()
def unfold(
    momentum: Tensor, shoot: Shoot, grain: int = 1, shoot_coarse: Shoot | None = None
) -> Unfolded:
    """Smooth a momentum where its map folds, until nothing folds. Not differentiable.

    Where nothing folds, this costs one count of folds beside the shot. A pair's momentum stays as
    it is where only another's folds.

    Args:
        momentum: (B, 3, X, Y, Z).
        shoot: Gives psi and phi of a momentum, both finite.
        grain: Voxels of the finest features of the momentum: the factor by which the grid was
            coarser on which it was predicted.
        shoot_coarse: As `shoot`, on a grid coarser by `grain`, where folds are mended first, for
            an eighth of the work; a momentum whose fine map is chaotic would be smoothed far and
            wide.

    Example:
        >>> metric = qs.FluidMetric(pad=8)
        >>> wild = torch.zeros(1, 3, 12, 12, 12); wild[..., 5:7, 5:7, 5:7] = 1.0
        >>> tame = unfold(wild, lambda momentum: qs.shoot(momentum, metric, steps=4))
        >>> tame.rounds > 0, bool(find_folds(tame.psi)[0].any())
        (True, False)
    """
    before = 0
    if shoot_coarse is not None:
        coarse = downsample_momentum(momentum, grain)
        tame = unfold(coarse, shoot_coarse)
        if before := tame.rounds:
            change = upsample_momentum(tame.momentum - coarse, grain, momentum.shape[2:])
            momentum = momentum + change
    (psi, phi), rounds = shoot(momentum), 0
    while (where := find_folds(psi)[0]).any():
        rounds += 1
        momentum = _smooth_or_damp(momentum, where, psi, rounds, grain)
        psi, phi = shoot(momentum)
    return Unfolded(momentum, psi, phi, max(before, rounds))


def _smooth_or_damp(
    momentum: Tensor, where: Tensor, psi: Tensor, rounds: int, grain: int
) -> Tensor:
    """Apply one more round to a momentum: first smooth it, later damp it."""
    reach = REACH * grain
    if rounds <= SMOOTHED:
        return _smooth_within(momentum, _make_bump(where, psi, reach), 2 * rounds * grain**2)
    damped = rounds - SMOOTHED
    if damped <= DAMPED:
        bump = _make_bump(where, psi, reach * (1 + damped))
    else:
        folded = where.flatten(1).any(1).to(psi.dtype)
        bump = folded.view(-1, *[1] * (where.dim() - 1))
    return momentum * (1 - (1 - DAMPING) * bump)


def _smooth_within(momentum: Tensor, bump: Tensor, times: int) -> Tensor:
    """Blur a momentum so many times where a bump is, box by box around its parts."""
    smoothed = momentum.clone()
    for n, one in enumerate(bump):
        for box in _find_parts(one[0] > 0, times):
            before, weight = _cut(momentum[n : n + 1], box), _cut(one, box)
            after = _blur_around(momentum[n : n + 1], box, times)
            _cut(smoothed[n : n + 1], box).copy_(torch.lerp(before, after, weight))
    return smoothed


def _blur_around(image: Tensor, box: Box, times: int) -> Tensor:
    """Blur an image so many times, and return a box of it: a blur reaches one voxel, so that no
    more is blurred than `times` voxels around the box.
    """
    starts = [max(0, side.start - times) for side in box]
    wide = (slice(a, side.stop + times) for a, side in zip(starts, box, strict=True))
    inner = (slice(side.start - a, side.stop - a) for a, side in zip(starts, box, strict=True))
    image = _cut(image, wide)
    for _ in range(times):
        image = blur(image)
    return _cut(image, inner)


def _cut(image: Tensor, box: Iterable[slice]) -> Tensor:
    whole: tuple[Any, ...] = (..., *box)
    return image[whole]


def _find_parts(mask: Tensor, around: int) -> list[Box]:
    """Find boxes that hold a mask (X, Y, Z): in every block of the grid, that around its part; the
    whole grid, where boxes with so many voxels around them are as large as half of it.
    """
    boxes = []
    for corner in itertools.product(*(range(0, n, BLOCK) for n in mask.shape)):
        places = mask[tuple(slice(n, n + BLOCK) for n in corner)].nonzero()
        if len(places) > 0:
            ends = zip(corner, places.amin(0).tolist(), places.amax(0).tolist(), strict=True)
            boxes.append(tuple(slice(n + low, n + high + 1) for n, low, high in ends))
    sizes = [[side.stop - side.start + 2 * around for side in box] for box in boxes]
    if 2 * sum(map(math.prod, sizes)) < mask.numel():
        return boxes
    return [tuple(map(slice, [0] * mask.dim(), mask.shape))]


def _make_bump(where: Tensor, psi: Tensor, reach: int) -> Tensor:
    """Return a field that is 1 within `reach` of the folded voxels, moved by psi, and falls to 0
    beyond.
    """
    bump = (qs.splat(where.to(psi.dtype), psi) > 0).to(psi.dtype)
    return average(dilate(bump, reach), reach)  # 1 in the middle, 0 afar
