"""What of an image is brain: masks that users give, and heads that were left around one."""

from __future__ import annotations

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.images.resampling import resample

HEAD = 2.6e6
"""Cubic millimetres of non-zero voxels that are more than a brain has."""


def masked(image: Image, mask: Image) -> Image:
    """The image with zeros where a mask, on any grid of the same world, is zero or ends.

    Raises QuicksilverError where nothing is left.
    """
    inside = resample(Image((mask.data != 0).astype(np.int64), mask.affine), image.grid, "nearest")
    data = np.where(inside[0, 0].numpy() != 0, image.data, 0).astype(image.data.dtype)
    if not data.any():
        raise QuicksilverError(
            "expected a mask that covers some of its image, found no non-zero voxel of the image "
            "inside; give a mask in the image's own space"
        )
    return Image(data, image.affine)


def looks_unstripped(image: Image) -> bool:
    """Whether more voxels than those of a brain are not exactly zero: a head, or noise around one.

    >>> looks_unstripped(Image(np.ones((200, 200, 200), np.float32), np.eye(4)))
    True
    """
    volume = np.count_nonzero(image.data) * abs(np.linalg.det(image.affine[:3, :3]))
    return bool(volume > HEAD)
