"""Losses: the mismatch of a warped image and its target, voxel by voxel, which an LDDMM fit
minimises.

A loss is called with both images, (B, 1, X, Y, Z), and returns their mismatch in every voxel, of
the same shape; the fit multiplies it with the masks, if any, and sums it. Any function that torch
differentiates will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

FLAT = 1e-3
"""Variance of normalised intensities that counts as noise within a window (0.03^2)."""


@dataclass(frozen=True)
class SSD:
    """Squared differences over 2 sigma^2.

    Args:
        sigma: Standard deviation of the noise, on the normalised scale.

    Example:
        >>> import torch
        >>> SSD(0.5)(torch.ones(1, 1, 1, 1, 2), torch.zeros(1, 1, 1, 1, 2)).sum()
        tensor(4.)
    """

    sigma: float = 0.2

    def __call__(self, warped: Tensor, target: Tensor) -> Tensor:
        return (warped - target).square() / (2 * self.sigma**2)


@dataclass(frozen=True)
class LNCC:
    """One minus the squared correlation within cubes of `window` voxels, over 2 sigma^2.

    It is blind to a gain and an offset that vary slowly, as bias fields do. The correlation is that
    of both images with one and the same noise of variance `FLAT` added: two flat windows match, a
    flat one and a textured one do not. Windows are cut off at the faces of the grid.

    Args:
        window: Edge of a window in voxels, odd, at least 3.
        sigma: Scale of the loss.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 1, 9, 9, 9)
        >>> same, other = LNCC()(image, 0.5 * image + 0.2), LNCC()(image, 1 - image.flip(2))
        >>> bool(same.mean() < 0.1 * other.mean())
        True
    """

    window: int = 5
    sigma: float = 0.7

    def __post_init__(self) -> None:
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(
                f"LNCC: window must be an odd number of at least 3 voxels, found {self.window}; "
                "try 5"
            )

    def __call__(self, warped: Tensor, target: Tensor) -> Tensor:
        a, b = self._mean(warped), self._mean(target)
        of_warped = (self._mean(warped.square()) - a.square()).clamp(min=0) + FLAT
        of_target = (self._mean(target.square()) - b.square()).clamp(min=0) + FLAT
        covariance = self._mean(warped * target) - a * b + FLAT
        return (1 - covariance.square() / (of_warped * of_target)) / (2 * self.sigma**2)

    def _mean(self, image: Tensor) -> Tensor:
        """Average over every window, one axis after the other, within the grid."""
        for axis in range(3):
            size = [self.window if a == axis else 1 for a in range(3)]
            image = F.avg_pool3d(image, size, 1, [n // 2 for n in size], count_include_pad=False)
        return image


def make_loss(name: Literal["ssd", "lncc"], sigma: float | None = None, window: int = 5) -> Loss:
    """Return a loss by its name.

    Args:
        name: "ssd" or "lncc".
        sigma: Of the noise; None: the loss's own.
        window: Of "lncc", voxels.

    Example:
        >>> make_loss("lncc", sigma=0.5)
        LNCC(window=5, sigma=0.5)
    """
    given = {} if sigma is None else {"sigma": sigma}
    return SSD(**given) if name == "ssd" else LNCC(window, **given)
