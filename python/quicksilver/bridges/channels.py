"""Images with a channel axis, as MONAI and TorchIO have them, registered and warped."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.registration.result import Registration


def take_volume(data: Any, name: str) -> Tensor:
    """Return the volume (X, Y, Z) of an image of one channel (1, X, Y, Z).

    Args:
        data: The image's voxels.
        name: What the image is called, for the error.

    Raises:
        QuicksilverError: There are several channels, or other axes.
    """
    if data.ndim != 4 or data.shape[0] != 1:
        raise QuicksilverError(
            f"expected one channel, (1, X, Y, Z), in {name}, found {tuple(data.shape)}; give "
            "one channel"
        )
    return torch.as_tensor(data[0])


def warp_channels(found: Registration, data: Tensor, affine: Any, labels: bool) -> Tensor:
    """Warp every channel of an image (C, X, Y, Z) from the moving space to the target's grid.

    Args:
        found: The registration.
        data: The image's voxels.
        affine: (4, 4), from array index to RAS millimetres.
        labels: Whether it holds integer labels, which nearest neighbour keeps.

    Returns:
        (C, X, Y, Z); labels keep their dtype, intensities are float32.

    Raises:
        QuicksilverError: A channel is no usable volume, or labels are fractions.
    """
    moved = [found.apply((channel, affine), labels=labels).data for channel in data]
    result = torch.from_numpy(np.stack(moved))
    return result.to(data.dtype) if labels else result
