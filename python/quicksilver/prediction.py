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


BATCH = {"cpu": 16, "cuda": 256}
"""Patches per pass of a network: few stay in a processor's cache, many fill a GPU."""


@torch.no_grad()
def predict_momentum(
    network: MomentumNetwork,
    moving: Tensor,
    target: Tensor,
    stride: int = 14,
    batch_size: int | None = None,
    half: bool | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The initial momentum (1, 3, *S), in voxel units, that the network predicts from moving to
    target.

    moving, target: (1, 1, *S) on one grid, normalised as `quicksilver.images.normalise` does, on
    the network's device. Patches of 15^3 voxels every `stride` voxels, the last of each axis flush
    with the border; where both images are all zero nothing is predicted and the momentum is zero.
    batch_size: patches per pass, as many as suit the device where None. half: compute in float16, on
    CUDA where None; for the default model that changes the momentum by 3e-3 of its norm and its
    velocity by 2e-3 (bfloat16: 3e-2). What overflows float16 is predicted again in float32.
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
    device = moving.device.type
    half = device == "cuda" if half is None else half

    def predicted(in_half: bool) -> Tensor:
        with torch.autocast(device, torch.float16, enabled=in_half):
            patches = _predict_patches(
                network, moving, target, corners, batch_size or BATCH[device], progress
            )
        return qs.average_patches(patches, corners, shape).to(moving.dtype)

    momentum = predicted(half)
    if half and not bool(momentum.isfinite().all()):
        momentum = predicted(False)
    return momentum


def _predict_patches(
    network: MomentumNetwork,
    moving: Tensor,
    target: Tensor,
    corners: Tensor,
    batch_size: int,
    progress: Progress | None,
) -> Tensor:
    """(N, 3, 15, 15, 15), nothing of which waits for the device."""
    patches = []
    for batch in corners.split(batch_size):
        pair = [qs.extract_patches(image, batch, PATCH_SIZE) for image in (moving, target)]
        patches.append(network(*pair).float())
        if progress is not None:
            progress(min(len(patches) * batch_size, len(corners)), len(corners))
    return torch.cat(patches)


def occupied_corners(moving: Tensor, target: Tensor, stride: int) -> Tensor:
    """Corners (N, 4), for `extract_patches`, of the patches in which an image is not all zero."""
    corners = qs.patch_corners(moving.shape[2:], PATCH_SIZE, stride).to(moving.device)
    occupied = ((moving != 0) | (target != 0)).to(moving.dtype)
    # The largest value of every patch at once: a window of one patch, read at the corners.
    any_signal = F.max_pool3d(occupied, PATCH_SIZE, stride=1)[0, 0]
    corners = corners[any_signal[tuple(corners.T)] > 0]
    return F.pad(corners, (1, 0))
