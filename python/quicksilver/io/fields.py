"""Displacement fields in files, as ITK reads and writes them."""

from __future__ import annotations

import os

import numpy as np
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io import nifti
from quicksilver.transforms.field import LPS, WorldField


def write_field(path: str | os.PathLike[str], field: WorldField) -> None:
    """Write a field as ITK reads it: (X, Y, Z, 1, 3), intent vector (1007), LPS millimetres.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    vectors = field.vectors[0].permute(1, 2, 3, 0).cpu().numpy() * LPS
    nifti.save(path, vectors[:, :, :, None], field.grid.affine, intent="vector")


def read_field(path: str | os.PathLike[str]) -> WorldField:
    """Read a displacement field that `write_field` or ITK wrote.

    Raises:
        QuicksilverError: The file is missing or holds no finite displacement field.
    """
    stored, affine = nifti.load(path)
    if stored.ndim != 5 or stored.shape[3:] != (1, 3):
        raise QuicksilverError(
            f"expected a displacement field (X, Y, Z, 1, 3) in {path}, found {stored.shape}; "
            "give one that ITK, ANTs or `quicksilver register` wrote"
        )
    x, y, z = stored.shape[:3]
    vectors = stored[:, :, :, 0] * LPS
    if not np.isfinite(vectors).all():
        raise QuicksilverError(
            f"expected a finite displacement field in {path}, found NaN or infinity; write it again"
        )
    moved = np.ascontiguousarray(vectors.transpose(3, 0, 1, 2), dtype=np.float32)
    return WorldField(torch.from_numpy(moved)[None], Grid((x, y, z), affine))
