"""The energy decides how much of a predicted momentum is shot.

Networks know what moved in other pairs; the LDDMM energy, with the loss of `quicksilver fit`, knows
what helps in this one. Of the momenta before and after each correction, and of fractions of the
best of them, the one of least energy at half resolution is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import downsample_momentum
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.matching import FitSettings, Matching

FACTOR = 2
"""How much coarser the grid of the search is than the working grid."""

GAIN = 0.00125
"""Energy per voxel of the brain that a correction must gain to be kept: that of a difference of
intensities of 0.007, far below noise. What gains less fits noise: of one person scanned twice,
second and third corrections (docs/register.md).
"""

STEPS = 5
"""Time steps of the geodesics of the search."""

SCALES = (0.85, 0.7, 0.5, 0.25, 0.0)
"""Parts of the best momentum that are tried, as long as each is better than the one before."""


@dataclass(frozen=True)
class Decision:
    """What is shot of a prediction.

    Args:
        momentum: (1, 3, X, Y, Z).
        corrections: Number of corrections on the working grid that are kept.
        scale: Part of the momentum that is kept; 0: none of it.
    """

    momentum: Tensor
    corrections: int
    scale: float


@torch.no_grad()
def decide(momenta: Sequence[Tensor], images: Images, metric: qs.FluidMetric) -> Decision:
    """Choose the momentum of least energy at half resolution.

    Corrections are dropped from the last one on, as long as they gain less than `GAIN`, and the
    momentum is scaled down, as long as that lowers the energy: usually three energies are computed.

    Args:
        momenta: As predicted and after each correction, (1, 3, X, Y, Z) each.
        images: What is matched.
        metric: In voxels of the images' grid.

    Example:
        >>> blob = torch.zeros(1, 1, 16, 16, 16); blob[..., 5:11, 5:11, 5:11] = 1
        >>> push = 0.05 * blob.repeat(1, 3, 1, 1, 1)
        >>> decide([push], Images(blob, blob), qs.FluidMetric(pad=8)).scale
        0.0
    """
    matching = Matching.at(images, metric, FitSettings(steps=STEPS, folding=0.0), FACTOR)

    def energy(momentum: Tensor) -> float:
        return matching.energies(downsample_momentum(momentum, FACTOR), [0]).item()

    corrections, least = len(momenta) - 1, energy(momenta[-1])
    enough = GAIN * int((images.target > 0).sum())
    while corrections > 0 and (found := energy(momenta[corrections - 1])) < least + enough:
        corrections, least = corrections - 1, found
    momentum, chosen = momenta[corrections], 1.0
    for scale in SCALES:
        found = energy(scale * momentum)
        if found >= least:
            break
        least, chosen = found, scale
    return Decision(chosen * momentum, corrections, chosen)
