"""Predict momenta of whole volumes, by networks that see patches or all at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.sharpness import soften
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.horizontal import HorizontalNetwork
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork

PatchProgress = Callable[[int, int], None]
"""Called as progress(patches done, patches in all) after every batch."""


BATCH = {"cpu": 16, "cuda": 256}
"""Patches per pass: few stay in a CPU's cache, many fill a GPU."""

CONTEXT = 2
"""Voxels of background that a network of whole volumes sees around both brains."""


@torch.no_grad()
def predict_momentum(
    network: MomentumNetwork,
    moving: Tensor,
    target: Tensor,
    stride: int = 14,
    batch_size: int | None = None,
    kind: torch.dtype | None = None,
    progress: PatchProgress | None = None,
    region: Tensor | None = None,
) -> Tensor:
    """Predict the initial momentum from moving to target with one network.

    A `PatchNetwork` sees patches of 15^3 voxels every `stride` voxels, the last of each axis flush
    with the border; overlaps are averaged. A `HorizontalNetwork` sees the box around both brains at
    once. Where both images are all zero the momentum is zero. Images sharper than the network knows
    are softened first. What overflows in 16 bits is predicted again in float32.

    Args:
        network: On the images' device.
        moving: (1, 1, X, Y, Z), scaled by `quicksilver.images.intensity.normalise`.
        target: (1, 1, X, Y, Z), likewise.
        stride: Voxels between patches.
        batch_size: Patches per pass; None: what suits the device.
        kind: Type in which the network computes; None: the fastest that it allows, float16 on CUDA
            and, for networks of whole volumes, bfloat16 on CPUs that have it (docs/register.md).
        progress: Called after every batch of patches.
        region: Mask (1, 1, X, Y, Z) whose box a network of whole volumes sees; None: both brains.

    Returns:
        (1, 3, X, Y, Z) in voxels.

    Raises:
        QuicksilverError: The grid is too small for one patch.

    Example:
        >>> from quicksilver.networks.patch import PatchNetwork
        >>> image = torch.rand(1, 1, 20, 16, 15)
        >>> predict_momentum(PatchNetwork(features=2), image, image).shape
        torch.Size([1, 3, 20, 16, 15])
    """
    kind = kind or network.fastest_type(moving.device)

    def predicted(kind: torch.dtype) -> Tensor:
        with torch.autocast(moving.device.type, kind, enabled=kind != torch.float32):
            return predict_with_gradient(
                network, moving, target, stride, batch_size, progress, region
            )

    momentum = predicted(kind)
    if kind != torch.float32 and not bool(momentum.isfinite().all()):
        momentum = predicted(torch.float32)
    return momentum


def predict_with_gradient(
    network: MomentumNetwork,
    moving: Tensor,
    target: Tensor,
    stride: int = 14,
    batch_size: int | None = None,
    progress: PatchProgress | None = None,
    region: Tensor | None = None,
) -> Tensor:
    """Predict as `predict_momentum` does, differentiably, in the precision that is set."""
    if network.sharpness is not None:
        moving, target = (soften(image, network.sharpness) for image in (moving, target))
    if isinstance(network, PatchNetwork):
        return _predict_by_patches(network, moving, target, stride, batch_size, progress)
    return _predict_whole(
        network, moving, target, find_brains(moving, target) if region is None else region
    )


def require_patches(network: MomentumNetwork) -> None:
    """Check that a network sees patches, for whoever chooses how they lie.

    Raises:
        QuicksilverError: It sees whole volumes.
    """
    if not isinstance(network, PatchNetwork):
        raise QuicksilverError(
            "expected a model whose networks see patches for a stride or a batch size, found one "
            "that sees whole volumes; give another with --model, or leave --stride and "
            "--batch-size out"
        )


def find_brains(moving: Tensor, target: Tensor) -> Tensor:
    """Find where either image is not background, (N, 1, X, Y, Z)."""
    return (moving != 0) | (target != 0)


def _predict_whole(
    network: MomentumNetwork, moving: Tensor, target: Tensor, region: Tensor
) -> Tensor:
    """Predict in one pass over the box around a region, cut or padded to sizes that the network
    takes.
    """
    occupied = region.any(dim=0)[0]
    if not bool(occupied.any()):
        return torch.zeros_like(moving).repeat(1, 3, 1, 1, 1)
    pads: list[int] = []
    for axis in reversed(range(3)):  # F.pad counts from the last axis; negative pads cut
        inside = occupied.amax(dim=[other for other in range(3) if other != axis]).nonzero()
        low, high = int(inside[0]), int(inside[-1]) + 1
        size = (
            -(-(high - low + 2 * CONTEXT) // HorizontalNetwork.MULTIPLE)
            * HorizontalNetwork.MULTIPLE
        )
        start = (low + high - size) // 2
        pads += [-start, start + size - occupied.shape[axis]]
    momentum = network(F.pad(moving, pads), F.pad(target, pads)).float()
    return F.pad(momentum, [-pad for pad in pads]).to(moving.dtype)


def _predict_by_patches(
    network: PatchNetwork,
    moving: Tensor,
    target: Tensor,
    stride: int,
    batch_size: int | None,
    progress: PatchProgress | None,
) -> Tensor:
    shape = tuple(moving.shape[2:])
    if min(shape) < PATCH_SIZE:
        raise QuicksilverError(
            f"expected a grid of at least {PATCH_SIZE} voxels along each axis for one patch, found "
            f"{' x '.join(map(str, shape))}; give larger images or a model of smaller spacing"
        )
    corners = find_occupied_corners(moving, target, stride)
    if len(corners) == 0:
        return moving.new_zeros(1, 3, *shape)
    batch_size = batch_size or BATCH[moving.device.type]
    patches = _predict_patches(network, moving, target, corners, batch_size, progress)
    return qs.average_patches(patches, corners, shape).to(moving.dtype)


def _predict_patches(
    network: PatchNetwork,
    moving: Tensor,
    target: Tensor,
    corners: Tensor,
    batch_size: int,
    progress: PatchProgress | None,
) -> Tensor:
    """Predict patches, (N, 3, 15, 15, 15), without waiting for the device."""
    patches = []
    for batch in corners.split(batch_size):
        pair = [qs.extract_patches(image, batch, PATCH_SIZE) for image in (moving, target)]
        patches.append(network(*pair).float())
        if progress is not None:
            progress(min(len(patches) * batch_size, len(corners)), len(corners))
    return torch.cat(patches)


def find_occupied_corners(moving: Tensor, target: Tensor, stride: int) -> Tensor:
    """Find the corners (N, 4), for `extract_patches`, of the patches in which an image is not all
    zero.
    """
    corners = qs.patch_corners(moving.shape[2:], PATCH_SIZE, stride).to(moving.device)
    occupied = find_brains(moving, target).to(moving.dtype)
    # Max pooling with a window of one patch, read at the corners.
    any_signal = F.max_pool3d(occupied, PATCH_SIZE, stride=1)[0, 0]
    corners = corners[any_signal[tuple(corners.T)] > 0]
    return F.pad(corners, (1, 0))
