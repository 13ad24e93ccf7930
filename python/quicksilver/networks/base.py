"""The interface of momentum networks: two images in, the initial momentum between them out."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from quicksilver.runtime.devices import cpu_has_bfloat16


class MomentumNetwork(nn.Module):
    """Predicts the initial momentum of the geodesic from moving to target.

    Shapes: moving and target `(N, 1, *S)`, intensities as `quicksilver.images.intensity.normalise`
    scales them; result `(N, 3, *S)`, a momentum in voxel units, component c along array axis c. `S`
    is what the network wants: one patch for `PatchNetwork`, edges that are multiples of
    `HorizontalNetwork.MULTIPLE` for that one; `quicksilver.networks.tiling.predict_momentum` serves
    both.
    """

    HALF: ClassVar[dict[str, torch.dtype]] = {"cuda": torch.float16}
    """16-bit types in which the network may compute, by type of device; elsewhere it uses float32.
    """

    sharpness: float | None = None
    """The sharpest images that it knows (`quicksilver.images.filters`); it is shown sharper ones
    softened. None: it is shown all as they are.
    """

    def fastest_type(self, device: torch.device) -> torch.dtype:
        """Return the type, of those allowed, in which the network computes fastest on a device."""
        kind = self.HALF.get(device.type, torch.float32)
        emulated = kind == torch.bfloat16 and not cpu_has_bfloat16()
        return torch.float32 if emulated else kind

    def forward(self, moving: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError

    def outputs(self) -> list[nn.Conv3d]:
        """Return the last convolutions, in whose weights the momentum is linear."""
        raise NotImplementedError

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Change the weights so that the momentum is `factor` times as large."""
        for layer in self.outputs():
            for parameter in layer.parameters():
                parameter.mul_(factor)
