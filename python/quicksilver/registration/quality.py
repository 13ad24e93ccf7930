"""Energies and quality of a registration, measured on the working grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.plane import flatten
from quicksilver.io.records import Record
from quicksilver.lddmm.energy import Images, kinetic_energy, mismatch
from quicksilver.lddmm.matching import FitSettings
from quicksilver.lddmm.unfolding import Unfolded
from quicksilver.networks.dropout import Uncertainty
from quicksilver.registration.evaluation import (
    Spread,
    measure_inverse_consistency,
    measure_log_jacobian_sd,
    measure_spread,
)
from quicksilver.registration.pair import Pair
from quicksilver.transforms.field import transform_vectors
from quicksilver.transforms.folds import count_folds


@dataclass(frozen=True)
class Energies(Record):
    """Energies of a registration, as sums over the voxels of the working grid.

    Args:
        kinetic: 1/2 <m, K m> of the initial momentum m.
        mismatch_before: |moving - target|^2.
        mismatch_after: |moving o psi - target|^2.
        lddmm_before: The energy that `quicksilver fit` minimises by default, of no momentum.
        lddmm_after: That energy of the initial momentum.
        iterations: Of a fit: its energies per level and iteration.
    """

    kinetic: float
    mismatch_before: float
    mismatch_after: float
    lddmm_before: float = math.nan
    lddmm_after: float = math.nan
    iterations: list[list[float]] | None = None

    @property
    def improved(self) -> bool:
        """Whether the momentum is better than none by the LDDMM energy."""
        return self.lddmm_after < self.lddmm_before

    @property
    def mismatch_ratio(self) -> float:
        """The mismatch after over the mismatch before; 1 where both are none."""
        if self.mismatch_before == 0:
            return 1.0 if self.mismatch_after == 0 else math.inf
        return self.mismatch_after / self.mismatch_before


@dataclass(frozen=True)
class Quality(Record):
    """Regularity of psi on the working grid, measured in the target's brain.

    Args:
        folded_voxels: Number of folded voxels on the whole grid (`quicksilver.transforms.folds`).
        folded_volume_voxels: Their non-diffeomorphic volume in voxels.
        inverse_consistency_voxels: Lengths of phi o psi less the identity.
        log_jacobian_sd: Standard deviation of the logarithm of det D psi.
        displacement_mm: Lengths of the displacement.
        correlation: Correlation of the warped moving image with the target in the target's brain.
        brain_overlap: Dice of the warped moving brain and the target's.
        coverage: Part of the target's brain that the moving image shows.
        damping_rounds: Rounds in which folds were smoothed away (`quicksilver.lddmm.unfolding`).
        deviation_mm: Standard deviation of the dropout samples, if any were drawn.
    """

    folded_voxels: int
    folded_volume_voxels: float
    inverse_consistency_voxels: Spread
    log_jacobian_sd: float
    displacement_mm: Spread
    damping_rounds: int
    correlation: float = math.nan
    brain_overlap: float = math.nan
    coverage: float = 1.0
    deviation_mm: Spread | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Quality:
        """Read what `to_json` wrote."""
        spreads = {name: Spread(**v) for name, v in content.items() if isinstance(v, dict)}
        return cls(**{**content, **spreads})


def measure_energies(
    pair: Pair,
    momentum: Tensor,
    psi: Tensor,
    metric: qs.FluidMetric,
    iterations: list[list[float]] | None,
) -> Energies:
    """Measure the energies of a momentum whose map is psi; `iterations` are those of a fit."""
    # The same voxels before and after: a strip along a cut that moves must not count as a gain.
    weight = pair.weigh_common_view(psi)
    images = Images(pair.moving, pair.target, target_mask=weight).map(flatten)
    momentum, psi = flatten(momentum), flatten(psi)
    kinetic, loss = kinetic_energy(momentum, metric).item(), FitSettings().loss
    return Energies(
        kinetic=kinetic,
        mismatch_before=mismatch(images, _square).item(),
        mismatch_after=mismatch(images, _square, psi).item(),
        lddmm_before=mismatch(images, loss).item(),
        lddmm_after=mismatch(images, loss, psi).item() + kinetic,
        iterations=iterations,
    )


def measure_quality(pair: Pair, unfolded: Unfolded, uncertainty: Uncertainty | None) -> Quality:
    """Measure the quality of the maps of a momentum, and the deviation of any samples."""
    psi, brain = unfolded.psi, pair.target > 0
    folds, warped = count_folds(flatten(psi)), qs.warp(pair.moving, psi)
    return Quality(
        folded_voxels=folds.voxels,
        folded_volume_voxels=folds.volume,
        inverse_consistency_voxels=measure_inverse_consistency(psi, unfolded.phi, brain),
        log_jacobian_sd=measure_log_jacobian_sd(psi, brain),
        displacement_mm=measure_spread(transform_vectors(pair.grid.affine[:3, :3], psi), brain),
        damping_rounds=unfolded.rounds,
        correlation=_correlate(warped[brain], pair.target[brain]),
        coverage=round(pair.coverage, 4),
        brain_overlap=_dice(qs.warp((pair.moving > 0).float(), psi) > 0.5, brain),
        deviation_mm=None
        if uncertainty is None
        else measure_spread(uncertainty.psi.deviation, brain),
    )


def _correlate(a: Tensor, b: Tensor) -> float:
    """The correlation of two lists of values; 0 where either is constant."""
    a, b = (values.double() - values.double().mean() for values in (a, b))
    return float((a @ b) / (a.norm() * b.norm()).clamp(min=1e-12))


def _dice(a: Tensor, b: Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()).clamp(min=1))


def _square(warped: Tensor, target: Tensor) -> Tensor:
    """The loss that is reported, whatever was minimised."""
    return (warped - target).square()
