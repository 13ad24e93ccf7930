"""Images as Python has them: files, nibabel's images, arrays or tensors with an affine."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image, checked, read_image, single
from quicksilver.io import nifti

ImageLike: TypeAlias = str | os.PathLike[str] | Image | tuple[Any, Any] | Any
"""A path, an `Image`, a nibabel image, or a pair of a volume (X, Y, Z), as NumPy or torch have it,
and its affine (4, 4) to RAS millimetres."""


def as_image(source: ImageLike, labels: bool = False) -> Image:
    """An image of any kind as `quicksilver.images.image.read_image` gives those of files.

    Raises QuicksilverError as that does, and for anything that is no image.

    >>> as_image((np.ones((4, 5, 6)), np.eye(4))).grid.shape
    (4, 5, 6)
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source, labels)
    if isinstance(source, Image):
        volume, affine = source.data, source.affine
    elif isinstance(source, nib.spatialimages.SpatialImage):
        volume, affine = np.asanyarray(source.dataobj), source.affine
    elif isinstance(source, tuple) and len(source) == 2:
        volume, affine = (_as_array(part) for part in source)
    else:
        raise QuicksilverError(
            "expected a path, a nibabel image, or an array and its affine, found "
            f"{type(source).__name__}; give one of these"
        )
    name = "the image"
    return single(*checked(*nifti.native(volume, affine, name), name, labels), name)


def _as_array(part: Any) -> np.ndarray:
    return part.detach().cpu().numpy() if isinstance(part, Tensor) else np.asarray(part)
