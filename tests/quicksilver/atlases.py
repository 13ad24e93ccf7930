"""Small atlases of one brain, deformed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quicksilver.images.image import Image
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_brain, smooth_field, write_nifti


def draw_labels(brain: Image) -> Image:
    """Two halves of a brain, 3 and 700, and 0 around."""
    left = np.arange(brain.data.shape[0])[:, None, None] < brain.data.shape[0] // 2
    inside = brain.data > 0
    return Image((inside * np.where(left, 3, 700)).astype(np.int16), brain.affine)


def write_atlases(folder: Path) -> Path:
    """Write an image, three atlases that are the same brain deformed, and names of labels."""
    brain = make_brain(1, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    write_nifti(folder / "image.nii.gz", brain)
    for number, size in enumerate((1.0, -1.5, 2.0), start=1):
        field = smooth_field(brain.grid, abs(size))
        moved = WorldField(field.vectors * np.sign(size), field.grid)
        write_nifti(folder / f"atlas{number}.nii.gz", moved.warp(brain))
        labels = moved.warp(draw_labels(brain), "nearest")
        write_nifti(folder / f"labels{number}.nii.gz", labels)
    (folder / "names.csv").write_text("label,name,more\n3,left half,x\n9,none,y\n")
    return folder
