"""What every momentum network is: two images in, the initial momentum from one to the other out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MomentumNetwork(nn.Module):
    """Predicts the initial momentum of the geodesic from moving to target.

    Shapes: moving and target `(N, 1, *S)`, intensities as `quicksilver.images.normalise` scales
    them; result `(N, 3, *S)`, a momentum in voxel units, component c along array axis c. `S` is
    what the network wants: one patch for `PatchNetwork`, edges that are multiples of
    `HorizontalNetwork.MULTIPLE` for that one; `quicksilver.prediction.predict_momentum` serves both.
    """

    def forward(self, moving: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError

    def outputs(self) -> list[nn.Conv3d]:
        """The last convolutions, in whose weights the momentum is linear."""
        raise NotImplementedError

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Change the weights so that the momentum is `factor` times what it was."""
        for layer in self.outputs():
            for parameter in layer.parameters():
                parameter.mul_(factor)
