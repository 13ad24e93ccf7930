"""Objectives of training: the LDDMM energy of a network's maps, or the distance of its momenta to
known ones.

Both are relative to the prediction zero, so that pairs of every difficulty count alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from torch import Tensor

import quicksilver_ext as qs
from quicksilver.lddmm.energy import Images, kinetic_energy, mismatch
from quicksilver.lddmm.losses import Loss, make_loss
from quicksilver.training.batches import Batch
from quicksilver.training.settings import Stage
from quicksilver.transforms.folds import penalise_folds

NOTHING = 0.02
"""Mismatch per voxel of the head that counts as none: pairs alike from the start count little."""


class Objective(Protocol):
    """The loss of a momentum, about 1 where it is zero."""

    def __call__(self, momentum: Tensor, batch: Batch) -> Tensor: ...


class EnergyObjective:
    """The LDDMM energy through `shoot`, relative to that of the identity map.

        E(m0) / max(E(0), NOTHING),  E(m0) = 1/2 <m0, K m0> + loss(I0 o psi_1, I1)

    on the images as they were before they were disturbed (`quicksilver.lddmm.energy`); NOTHING per
    voxel of the head. The gradient is the exact adjoint of the integrator. `unfolding` adds the
    mean square of the shortfall of the ten determinants of `quicksilver.transforms.folds` below 0.3
    (at most 1), in thousands.
    """

    def __init__(self, metric: qs.FluidMetric, stage: Stage) -> None:
        self.metric, self.stage = metric, stage
        self.loss: Loss = make_loss(stage.loss, stage.sigma)

    def __call__(self, momentum: Tensor, batch: Batch) -> Tensor:
        stage = self.stage
        psi, _ = qs.shoot(momentum, self.metric, steps=stage.shooting_steps, check=False)
        images = Images(batch.moving, batch.target)
        energy = mismatch(images, self.loss, psi) + kinetic_energy(momentum, self.metric)
        nothing = NOTHING * (batch.target > 0).flatten(1).sum(1)
        loss = (energy / mismatch(images, self.loss).clamp(min=nothing)).float().mean()
        if stage.unfolding > 0:
            # Determinants of a map gone wild are in the hundreds: cap them.
            crowded = penalise_folds(psi, most=1).mean() / psi[0, 0].numel()
            loss = loss + 1e3 * stage.unfolding * crowded
        return loss


class MomentumObjective:
    """The distance to a known momentum: L1, and the energy <r, K r> of the residual's velocity.

    K passes low frequencies a hundred times better than high ones: L1 alone learns edges well and
    displacements late. Patches and volumes alike stand alone on their torus.
    """

    def __init__(self, metric: qs.FluidMetric, stage: Stage) -> None:
        self.metric, self.weight = replace(metric, pad=9), stage.velocity

    def __call__(self, momentum: Tensor, batch: Batch) -> Tensor:
        assert batch.momentum is not None
        residual = momentum - batch.momentum
        distance = residual.abs().mean() / batch.momentum.abs().mean()
        return distance + self.weight * self._kinetic(residual) / self._kinetic(batch.momentum)

    def _kinetic(self, momentum: Tensor) -> Tensor:
        return (momentum * self.metric.sharp(momentum)).mean()
