"""Training batches: random patches of fitted pairs, seen in many ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from quicksilver.fits import FittedPair
from quicksilver.networks import PATCH_SIZE
from quicksilver.synthesis import disturb

MARGIN = PATCH_SIZE // 2
"""Voxels of background around each volume: prediction has patches at the edge of the head too."""

OCCUPIED = 0.02
"""Least part of a patch that must be head: an almost empty patch teaches nothing."""


@dataclass(frozen=True)
class Batch:
    """moving, target (N, 1, 15, 15, 15) and momentum (N, 3, 15, 15, 15), float32."""

    moving: Tensor
    target: Tensor
    momentum: Tensor


class Patches:
    """Random patches of a set of fitted pairs, kept in memory in half precision.

    Each is mirrored along axis 0 with probability one half: axis 0 is left-right, and the metric
    does not change under reflections. The images of a pair are disturbed independently
    (`synthesis.disturb`). Exchanging moving and target is no augmentation of fitted pairs: the
    momentum of the way back lies along the gradient of the other image.
    """

    def __init__(self, pairs: Sequence[FittedPair], strength: float = 1.0) -> None:
        self.volumes = [_padded(pair) for pair in pairs]
        self.strength = strength

    def mean_magnitude(self) -> float:
        """Mean |momentum| over the voxels of the heads: the scale of what is to be learned."""
        total = sum(v[2:].float().abs().sum().item() / 3 for v in self.volumes)
        return total / sum((v[:2] > 0).any(dim=0).sum().item() for v in self.volumes)

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        """The next `count` patches; the state of the generator decides all of them."""
        patches = torch.stack([self._patch(generator) for _ in range(count)]).float()
        mirrored = torch.rand(count, generator=generator) < 0.5
        patches[mirrored] = _mirror(patches[mirrored])
        return Batch(
            disturb(patches[:, :1], generator, self.strength),
            disturb(patches[:, 1:2], generator, self.strength),
            patches[:, 2:],
        )

    def _patch(self, generator: torch.Generator) -> Tensor:
        volume = self.volumes[_below(len(self.volumes), generator)]
        while True:
            x, y, z = (_below(n - PATCH_SIZE + 1, generator) for n in volume.shape[1:])
            patch = volume[:, x : x + PATCH_SIZE, y : y + PATCH_SIZE, z : z + PATCH_SIZE]
            if (patch[:2] > 0).any(dim=0).float().mean() >= OCCUPIED:
                return patch


def _padded(pair: FittedPair) -> Tensor:
    """(5, *S): moving, target, momentum, with `MARGIN` voxels of zeros around."""
    volume = torch.cat((pair.moving, pair.target, pair.momentum), dim=1)[0]
    return F.pad(volume.half(), [MARGIN] * 6)


def _mirror(patches: Tensor) -> Tensor:
    """The patches (N, 5, *S) in a mirror across axis 0, which turns that momentum component."""
    signs = torch.tensor([1.0, 1.0, -1.0, 1.0, 1.0]).reshape(1, 5, 1, 1, 1)
    return patches.flip(2) * signs


def _below(end: int, generator: torch.Generator) -> int:
    return int(torch.randint(end, (), generator=generator))
