"""Momentum prediction on whole volumes: patches in, patches out, overlaps averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.networks import PATCH_SIZE, MomentumNetwork

Progress = Callable[[int, int], None]
"""Called as progress(patches done, patches in all) after every batch."""


@torch.no_grad()
def predict_momentum(
    network: MomentumNetwork,
    moving: Tensor,
    target: Tensor,
    stride: int = 14,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Tensor:
    """The initial momentum (1, 3, *S), in voxel units, that the network predicts from moving to
    target.

    moving, target: (1, 1, *S) on one grid, normalised as `quicksilver.images.normalise` does, on
    the network's device. Patches of 15^3 voxels every `stride` voxels, the last of each axis flush
    with the border; where both images are all zero nothing is predicted and the momentum is zero.
    Raises QuicksilverError where the grid is too small for one patch.

    >>> image = torch.rand(1, 1, 20, 16, 15)
    >>> predict_momentum(MomentumNetwork(features=2), image, image).shape
    torch.Size([1, 3, 20, 16, 15])
    """
    shape = tuple(moving.shape[2:])
    if min(shape) < PATCH_SIZE:
        raise QuicksilverError(
            f"expected a grid of at least {PATCH_SIZE} voxels along each axis for one patch, found "
            f"{' x '.join(map(str, shape))}; give larger images or a model of smaller spacing"
        )
    corners = occupied_corners(moving, target, stride)
    if len(corners) == 0:
        return moving.new_zeros(1, 3, *shape)
    patches = []
    for batch in corners.split(batch_size):
        pair = [qs.extract_patches(image, batch, PATCH_SIZE) for image in (moving, target)]
        patches.append(network(*pair).float())
        if progress is not None:
            progress(min(len(patches) * batch_size, len(corners)), len(corners))
    return qs.average_patches(torch.cat(patches), corners, shape).to(moving.dtype)


def occupied_corners(moving: Tensor, target: Tensor, stride: int) -> Tensor:
    """Corners (N, 4), for `extract_patches`, of the patches in which an image is not all zero."""
    corners = qs.patch_corners(moving.shape[2:], PATCH_SIZE, stride).to(moving.device)
    occupied = ((moving != 0) | (target != 0)).to(moving.dtype)
    # The largest value of every patch at once: a window of one patch, read at the corners.
    any_signal = F.max_pool3d(occupied, PATCH_SIZE, stride=1)[0, 0]
    corners = corners[any_signal[tuple(corners.T)] > 0]
    return F.pad(corners, (1, 0))
