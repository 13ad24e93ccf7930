"""The loss of a training, in units of its scale."""

from __future__ import annotations

import torch

from quicksilver.networks.patch import PatchNetwork
from quicksilver.training.loss import TrainingLoss, predict_patches
from quicksilver.training.patches import FittedPatches
from tests.quicksilver.training_data import fitted_pair


def test_an_objective_sees_momenta_in_voxels_whatever_the_unit_of_the_network():
    batch = FittedPatches([fitted_pair(0)]).batch(2, torch.Generator().manual_seed(0))
    network, seen = PatchNetwork(1), []

    def objective(momentum, batch):
        seen.append(momentum)
        return momentum.abs().mean()

    for scale, precision in ((1.0, "float32"), (0.5, "float32"), (1.0, "bfloat16")):
        TrainingLoss(objective, predict_patches, scale, precision)(network, batch)
    assert {momentum.dtype for momentum in seen} == {torch.float32}
    torch.testing.assert_close(seen[1], 0.5 * seen[0])
    assert not torch.equal(seen[2], seen[0])
    torch.testing.assert_close(seen[2], seen[0], rtol=0.1, atol=0.02)
