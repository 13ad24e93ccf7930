"""The LDDMM energy of a momentum, which fits minimise and networks are trained to lower.

    E(m0) = 1/2 <m0, K m0> + sum_x w(x) loss(I0 o psi_1, I1)(x) + folding * crowding(psi_1)

summed over the voxels of a grid: the loss is one of `quicksilver.lddmm.losses` or a user's own, w
the product of the masks, where there are some. The last term
(`quicksilver.transforms.folds.penalise_folds`) is zero for maps that are far from folding and keeps
the others from it: nothing else in E knows the grid, and once a map has folded, no later iteration
finds out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.lddmm.losses import Loss


@dataclass(frozen=True)
class Images:
    """A batch of images to match, on one grid, and their masks.

    Voxels count as much as the target's mask times the moving image's, warped, says: from 0 to 1. A
    loss that looks at windows sees what is beside a mask, too.

    Args:
        moving: (B, 1, X, Y, Z), or of slices (B, 1, X, Y), scaled by
            `quicksilver.images.intensity.normalise`.
        target: As `moving`.
        moving_mask: As `moving`; None: every voxel counts.
        target_mask: As `moving`; None: every voxel counts.
    """

    moving: Tensor
    target: Tensor
    moving_mask: Tensor | None = None
    target_mask: Tensor | None = None

    def __post_init__(self) -> None:
        for name, image in self.given().items():
            if image.dim() not in (4, 5) or image.shape[1] != 1 or image.shape != self.moving.shape:
                raise ValueError(
                    f"Images: {name} must be (B, 1, X, Y, Z) as moving is, found "
                    f"{tuple(image.shape)} beside {tuple(self.moving.shape)}; bring all images "
                    "onto one grid first"
                )

    def given(self) -> dict[str, Tensor]:
        """Return the images that are not None, by field name."""
        return {name: image for name, image in vars(self).items() if image is not None}

    def map(self, change: Callable[[Tensor], Tensor]) -> Images:
        """Apply a function to every image."""
        return Images(**{name: change(image) for name, image in self.given().items()})


def kinetic_energy(momentum: Tensor, metric: qs.FluidMetric) -> Tensor:
    """Return 1/2 <m, K m> of momenta (B, 3, X, Y, Z), (B,) in double precision."""
    return 0.5 * _sum(momentum * metric.sharp(momentum))


def mismatch(images: Images, loss: Loss, psi: Tensor | None = None) -> Tensor:
    """Return the masked loss between the warped moving images and the targets.

    Args:
        images: The images and their masks.
        loss: Gives the mismatch of every voxel.
        psi: Displacements (B, 3, X, Y, Z) that warp the moving images; None: they stay.

    Returns:
        (B,), in double precision.
    """

    def warp(image: Tensor) -> Tensor:
        return image if psi is None else qs.warp(image, psi)

    voxels = loss(warp(images.moving), images.target)
    if images.target_mask is not None:
        voxels = voxels * images.target_mask
    if images.moving_mask is not None:
        voxels = voxels * warp(images.moving_mask)
    return _sum(voxels)


def _sum(field: Tensor) -> Tensor:
    return field.flatten(1).sum(1, dtype=torch.float64)
