"""Cut random patches of pairs whose momentum is known, for networks that see patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from quicksilver.lddmm.fits import FittedPair
from quicksilver.networks.patch import PATCH_SIZE
from quicksilver.training.batches import Batch, Source
from quicksilver.training.synthesis import disturb

MARGIN = PATCH_SIZE // 2
"""Voxels of background around each volume: prediction has patches at the edge of the head too."""

OCCUPIED = 0.02
"""Least part of a patch that must be head: an almost empty patch teaches nothing."""


class FittedPatches:
    """Random patches of a set of fitted pairs, kept in memory in half precision.

    Each is mirrored along axis 0 with probability one half: axis 0 is left-right, and the metric
    does not change under reflections. The images of a pair are disturbed independently
    (`synthesis.disturb`). Exchanging moving and target is no augmentation of fitted pairs: the
    momentum of the way back lies along the gradient of the other image.
    """

    def __init__(self, pairs: Sequence[FittedPair], strength: float = 1.0) -> None:
        self.volumes = [_pad(pair.moving[0], pair.target[0], pair.momentum[0]) for pair in pairs]
        self.strength = strength

    def mean_magnitude(self) -> float:
        """Return the mean |momentum| over the voxels of the heads: the scale of what is to be
        learned.
        """
        total = sum(v[2:].float().abs().sum().item() / 3 for v in self.volumes)
        return total / sum((v[:2] > 0).any(dim=0).sum().item() for v in self.volumes)

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        """Cut the next `count` patches; the state of the generator decides all of them."""
        patches = torch.stack([self._one(generator) for _ in range(count)])
        mirrored = torch.rand(count, generator=generator) < 0.5
        patches[mirrored] = _mirror(patches[mirrored])
        moving, target = patches[:, :1], patches[:, 1:2]
        seen = [disturb(image, generator, self.strength) for image in (moving, target)]
        return Batch(seen[0], seen[1], moving, target, patches[:, 2:])

    def _one(self, generator: torch.Generator) -> Tensor:
        return _cut_patch(self.volumes[_draw_below(len(self.volumes), generator)], generator)


class CutPatches:
    """Patches of the pairs of another source, as many of each as a batch has.

    One pair per batch: a synthetic geodesic costs as much as hundreds of patches.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        """Cut `count` patches of one pair; the state of the generator decides all of them."""
        pair = self.source.batch(1, generator)
        assert pair.momentum is not None
        parts = (pair.seen_moving, pair.seen_target, pair.moving, pair.target, pair.momentum)
        volume = F.pad(torch.cat(parts, dim=1)[0], [MARGIN] * 6)
        patches = torch.stack([_cut_patch(volume, generator) for _ in range(count)])
        return Batch(*patches.split((1, 1, 1, 1, 3), dim=1))


def _cut_patch(volume: Tensor, generator: torch.Generator) -> Tensor:
    """Cut a random patch, float32, of (C, X, Y, Z) whose two images are not almost empty."""
    while True:
        x, y, z = (_draw_below(n - PATCH_SIZE + 1, generator) for n in volume.shape[1:])
        patch = volume[:, x : x + PATCH_SIZE, y : y + PATCH_SIZE, z : z + PATCH_SIZE]
        if (patch[:2] > 0).any(dim=0).float().mean() >= OCCUPIED:
            return patch.float()


def _pad(*fields: Tensor) -> Tensor:
    """Join fields (C, X, Y, Z) with `MARGIN` voxels of zeros around, in half precision."""
    return F.pad(torch.cat(fields).half(), [MARGIN] * 6)


def _mirror(patches: Tensor) -> Tensor:
    """Mirror patches (N, 5, X, Y, Z) across axis 0, which changes the sign of that momentum
    component.
    """
    signs = torch.tensor([1.0, 1.0, -1.0, 1.0, 1.0]).reshape(1, 5, 1, 1, 1)
    return patches.flip(2) * signs


def _draw_below(end: int, generator: torch.Generator) -> int:
    return int(torch.randint(end, (), generator=generator))
