"""Apply masks, and notice heads whose skull was not stripped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.images.resampling import resample

HEAD = 2.6e6
"""Volume of non-zero voxels, in cubic millimetres, that exceeds any brain's."""


def apply_mask(image: Image, mask: Image) -> Image:
    """Set an image to zero where a mask is zero or ends.

    Args:
        image: The image.
        mask: An image on any grid of the same world.

    Raises:
        QuicksilverError: Nothing of the image is left.
    """
    inside = resample(Image((mask.data != 0).astype(np.int64), mask.affine), image.grid, "nearest")
    data = np.where(inside[0, 0].numpy() != 0, image.data, 0).astype(image.data.dtype)
    if not data.any():
        raise QuicksilverError(
            "expected a mask that covers some of its image, found no non-zero voxel of the image "
            "inside; give a mask in the image's own space"
        )
    return replace(image, data=data)


def looks_unstripped(image: Image) -> bool:
    """Tell whether more voxels than a brain has are not zero: a head, or noise around a brain.

    Example:
        >>> looks_unstripped(Image(np.ones((200, 200, 200), np.float32), np.eye(4)))
        True
    """
    volume = np.count_nonzero(image.data) * abs(np.linalg.det(image.affine[:3, :3]))
    return bool(volume > HEAD)
