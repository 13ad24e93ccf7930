"""Energies and quality of a registration, measured on the working grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

import quicksilver_ext as qs
from quicksilver.io.records import Record
from quicksilver.lddmm.energy import Images, kinetic_energy, mismatch
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
        iterations: Of a fit: its energies per level and iteration.
    """

    kinetic: float
    mismatch_before: float
    mismatch_after: float
    iterations: list[list[float]] | None = None

    @property
    def mismatch_ratio(self) -> float:
        """The mismatch after over the mismatch before."""
        return self.mismatch_after / max(self.mismatch_before, 1e-12)


@dataclass(frozen=True)
class Quality(Record):
    """Regularity of psi on the working grid, measured in the target's brain.

    Args:
        folded_voxels: Number of folded voxels on the whole grid (`quicksilver.transforms.folds`).
        folded_volume_voxels: Their non-diffeomorphic volume in voxels.
        inverse_consistency_voxels: Lengths of phi o psi less the identity.
        log_jacobian_sd: Standard deviation of the logarithm of det D psi.
        displacement_mm: Lengths of the displacement.
        damping_rounds: Rounds in which folds were smoothed away (`quicksilver.lddmm.unfolding`).
        deviation_mm: Standard deviation of the dropout samples, if any were drawn.
    """

    folded_voxels: int
    folded_volume_voxels: float
    inverse_consistency_voxels: Spread
    log_jacobian_sd: float
    displacement_mm: Spread
    damping_rounds: int
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
    images = Images(pair.moving, pair.target)
    return Energies(
        kinetic=kinetic_energy(momentum, metric).item(),
        mismatch_before=mismatch(images, _square).item(),
        mismatch_after=mismatch(images, _square, psi).item(),
        iterations=iterations,
    )


def measure_quality(pair: Pair, unfolded: Unfolded, uncertainty: Uncertainty | None) -> Quality:
    """Measure the quality of the maps of a momentum, and the deviation of any samples."""
    psi, brain = unfolded.psi, pair.target > 0
    folds = count_folds(psi)
    return Quality(
        folded_voxels=folds.voxels,
        folded_volume_voxels=folds.volume,
        inverse_consistency_voxels=measure_inverse_consistency(psi, unfolded.phi, brain),
        log_jacobian_sd=measure_log_jacobian_sd(psi, brain),
        displacement_mm=measure_spread(transform_vectors(pair.grid.affine[:3, :3], psi), brain),
        damping_rounds=unfolded.rounds,
        deviation_mm=None
        if uncertainty is None
        else measure_spread(uncertainty.psi.deviation, brain),
    )


def _square(warped: Tensor, target: Tensor) -> Tensor:
    """The loss that is reported, whatever was minimised."""
    return (warped - target).square()
