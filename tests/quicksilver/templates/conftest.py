"""A brain whose copies are deformed one way and the other: it is their mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_brain, smooth_field, write_nifti


@pytest.fixture(scope="session")
def mean_brain() -> Image:
    return make_brain(1, affine=np.diag([2.0, 2.0, 2.0, 1.0]))


@pytest.fixture(scope="session")
def group(mean_brain, tmp_path_factory) -> list[Path]:
    """Files of two brains."""
    folder = tmp_path_factory.mktemp("group")
    field = smooth_field(mean_brain.grid, 6.0)
    moved = {
        name: WorldField(sign * field.vectors, field.grid).warp(mean_brain)
        for name, sign in (("there", 1), ("back", -1))
    }
    return [write_nifti(folder / f"{name}.nii.gz", image) for name, image in moved.items()]
