"""A finished registration: its maps, energies and quality."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.lddmm.unfolding import Unfolded
from quicksilver.networks.dropout import Uncertainty
from quicksilver.registration.evaluation import inverse_consistency, log_jacobian_sd, spread
from quicksilver.registration.pair import Pair
from quicksilver.runtime.stages import Stages, peak_memory
from quicksilver.transforms.field import WorldField, carry, turn
from quicksilver.transforms.folds import count_folds

if TYPE_CHECKING:
    pass


WORSE = (
    "the images match worse than before: the model has not learned what such images want; refine its "
    "prediction (--refine 10) or fit"
)


@dataclass(frozen=True)
class Registration:
    """What a registration found.

    momentum, psi, phi: (1, 3, X, Y, Z) in voxels of the pair's grid. energies: kinetic,
    1/2 <m, K m>, and mismatch, |moving o psi - target|^2 before and after, as sums over the grid's
    voxels; a fit adds its energies per level and iteration. quality: folds, inverse consistency and
    the like, of psi. settings: what was asked for. seconds: per stage. memory_mb: the peak.
    uncertainty: of a registration by samples, which is the geodesic of their mean momentum.
    """

    pair: Pair
    momentum: Tensor
    psi: Tensor
    phi: Tensor
    energies: dict[str, Any]
    quality: dict[str, Any]
    settings: dict[str, Any]
    seconds: dict[str, float]
    memory_mb: float
    uncertainty: Uncertainty | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know of it."""
        worse = self.energies["mismatch_after"] > self.energies["mismatch_before"]
        return self.pair.placement.notes + (WORSE,) * worse

    def displacement(self, grid: Grid | None = None) -> WorldField:
        """Of the affine after phi^-1, on the target's grid or another of its world: what carries
        moving images over."""
        return self.pair.forward(self.pair.beyond_affine(self.psi), grid)

    def inverse_displacement(self) -> WorldField:
        """Of phi after the affine's inverse, on the moving image's grid: what carries target images
        back."""
        return self.pair.backward(self.pair.before_affine(self.phi))

    def jacobian(self, grid: Grid | None = None) -> Tensor:
        """Determinant (1, 1, X, Y, Z) of the map of `displacement`, the affine's own included."""
        local = qs.jacobian_determinant(self.psi) * float(
            np.linalg.det(self.pair.placement.affine[:3, :3])
        )
        return carry(local, self.pair.grid, grid or self.pair.target_image.grid)


def judge_registration(
    pair: Pair,
    last: Unfolded,
    metric: qs.FluidMetric,
    settings: dict[str, Any],
    stages: Stages,
) -> Registration:
    """The registration with its energies and its quality."""
    psi, phi = last.psi, last.phi
    if not (psi.isfinite().all() and phi.isfinite().all()):
        raise QuicksilverError(
            "expected a finite deformation, found NaN or infinity, as far too large a momentum "
            "gives; use a model for such images, or more --steps"
        )
    with stages("judge"):
        energies = _energies(pair, last.momentum, psi, metric)
        quality = _quality(pair, psi, phi) | {"damping_rounds": last.rounds}
    where = {
        "metric": asdict(metric),
        "working_shape": list(pair.grid.shape),
        "working_spacing_mm": pair.grid.spacing.round(4).tolist(),
        "affine": pair.placement.affine.tolist(),
        "frame": pair.placement.frame.tolist(),
        **pair.placement.found,
        "device": str(psi.device),
        "threads": torch.get_num_threads(),
    }
    memory = peak_memory(psi.device)
    settings = {**settings, **where}
    return Registration(
        pair, last.momentum, psi, phi, energies, quality, settings, stages.seconds, memory
    )


def _energies(
    pair: Pair, momentum: Tensor, psi: Tensor, metric: qs.FluidMetric
) -> dict[str, float]:
    return {
        "kinetic": 0.5 * (momentum * metric.sharp(momentum)).sum(dtype=torch.float64).item(),
        "mismatch_before": _squared_difference(pair.moving, pair.target),
        "mismatch_after": _squared_difference(qs.warp(pair.moving, psi), pair.target),
    }


def _quality(pair: Pair, psi: Tensor, phi: Tensor) -> dict[str, Any]:
    brain = pair.target > 0
    folds = count_folds(psi)
    return {
        "folded_voxels": folds.voxels,
        "folded_volume_voxels": folds.volume,
        "inverse_consistency_voxels": inverse_consistency(psi, phi, brain),
        "log_jacobian_sd": log_jacobian_sd(psi, brain),
        "displacement_mm": spread(turn(pair.grid.affine[:3, :3], psi), brain),
    }


def _squared_difference(a: Tensor, b: Tensor) -> float:
    return (a - b).square().sum(dtype=torch.float64).item()
