"""Losses: the mismatch of a warped image and its target, voxel by voxel, which an LDDMM fit
minimises.

A loss is called with both images, (B, 1, X, Y, Z) or (B, 1, X, Y), and returns their mismatch in
every voxel, of the same shape; the fit multiplies it with the masks, if any, and sums it. Any
function that torch differentiates will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

import quicksilver_ext as qs

Loss = Callable[[Tensor, Tensor], Tensor]

FLAT = 1e-3
"""Variance of normalised intensities that counts as noise within a window (0.03^2)."""

WHITE = 1.2
"""The largest normalised intensity (`quicksilver.images.intensity.normalise`)."""


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
        within = qs.box_mean(torch.ones_like(target[:1]), self.window)

        def mean(image: Tensor) -> Tensor:
            return qs.box_mean(image, self.window) / within

        a, b = mean(warped), mean(target)
        of_warped = (mean(warped.square()) - a.square()).clamp(min=0) + FLAT
        of_target = (mean(target.square()) - b.square()).clamp(min=0) + FLAT
        covariance = mean(warped * target) - a * b + FLAT
        return (1 - covariance.square() / (of_warped * of_target)) / (2 * self.sigma**2)


@dataclass(frozen=True)
class MI:
    """Mutual information: how surprising the target's intensity is, given the warped image's, over
    2 sigma^2.

        loss(x) = -log p(b(x) | a(x)) / (2 sigma^2),  p(b | a) = h(a, b) / sum_b h(a, b)

    with h the joint histogram of a pair. The mean over the voxels is the conditional entropy
    H(target | warped) = H(target) - MI in nats, and H(target) does not change: to minimise it is to
    maximise the mutual information, whatever the contrasts are. Parzen windows: cubic B-splines on
    the warped image's intensities, hats on the target's (Mattes et al., IEEE TMI 2003). Intensities
    beyond [0, `WHITE`] count as its ends.

    Args:
        bins: Number of bins of each image.
        sigma: Scale of the loss.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 1, 12, 12, 12)
        >>> same, other = MI()(1 - image, image), MI()(image.flip(2), image)
        >>> bool(same.mean() < 0.7 * other.mean())
        True
    """

    bins: int = 32
    sigma: float = 0.7

    def __post_init__(self) -> None:
        if self.bins < 4:
            raise ValueError(f"MI: bins must be at least 4, found {self.bins}; try 32")

    def __call__(self, warped: Tensor, target: Tensor) -> Tensor:
        of_warped, of_target = self._cubic_weights(warped), self._hat_weights(target)
        edge = self.bins + 2  # the splines reach one bin beyond each end
        rows = torch.arange(len(warped), device=warped.device) * edge**2
        rows = rows.view(-1, *[1] * (warped.dim() - 1))
        taps = [
            (rows + a * edge + b, weight * share)
            for a, weight in of_warped
            for b, share in of_target
        ]
        joint = warped.new_zeros(len(warped) * edge**2, dtype=torch.float64)
        for place, weight in taps:
            joint = joint.index_add(0, place.flatten(), weight.flatten().double())
        joint = joint.view(-1, edge, edge).clamp(min=1e-12)
        surprise = (joint.sum(2, keepdim=True) / joint).log().flatten()
        found = sum(weight * surprise[place].to(weight.dtype) for place, weight in taps)
        assert isinstance(found, Tensor)
        return found / (2 * self.sigma**2)

    def _cubic_weights(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return bins and weights of the four cubic B-splines that reach an intensity."""
        lower, part = self._split(image)
        rest = 1 - part
        weights = (
            rest**3 / 6,
            (3 * part**3 - 6 * part**2 + 4) / 6,
            (3 * rest**3 - 6 * rest**2 + 4) / 6,
            part**3 / 6,
        )
        return [(lower + tap, weight) for tap, weight in enumerate(weights)]

    def _hat_weights(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        lower, part = self._split(image)
        return [(lower + 1, 1 - part), (lower + 2, part)]

    def _split(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bin below an intensity, and how far it is from there to the next."""
        place = (image / WHITE).clamp(0, 1) * (self.bins - 1)
        lower = place.detach().floor().clamp(max=self.bins - 2)
        return lower.long(), place - lower


LossName = Literal["ssd", "lncc", "mi"]


def make_loss(name: LossName, sigma: float | None = None, window: int = 5) -> Loss:
    """Return a loss by its name.

    Args:
        name: "ssd", "lncc" or "mi".
        sigma: Of the noise; None: the loss's own.
        window: Of "lncc", voxels.

    Example:
        >>> make_loss("lncc", sigma=0.5)
        LNCC(window=5, sigma=0.5)
    """
    losses: dict[str, SSD | LNCC | MI] = {"ssd": SSD(), "lncc": LNCC(window), "mi": MI()}
    loss = losses[name]
    return loss if sigma is None else replace(loss, sigma=sigma)
