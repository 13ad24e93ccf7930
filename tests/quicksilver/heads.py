"""A made-up head around the template brain, and a stand-in for the package deepbet."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import distance_transform_edt

from quicksilver.images.image import Image
from quicksilver.registration.placement import load_template

STAND_IN = '''
import nibabel as nib
import numpy as np

class BrainExtraction:
    """Takes for brain what is neither dark nor as bright as the scalp."""

    def __init__(self, no_gpu):
        assert no_gpu

    def run(self, head):
        data = np.asarray(head.dataobj)
        mask = (data > 0.2) & (data < 1.5)
        if not mask.any():
            raise ValueError("attempt to get argmax of an empty sequence")
        return head, nib.Nifti1Image(mask.astype(np.uint8), head.affine), 0.0
'''


def make_head(brain: Image, skull_mm: float = 6.0, scalp_mm: float = 8.0) -> Image:
    """Put a dark skull and a bright scalp around a brain (of intensities up to 1), and noise."""
    distance = distance_transform_edt(brain.data == 0, brain.grid.spacing)
    scalp = (distance > skull_mm) & (distance <= skull_mm + scalp_mm)
    noise = np.random.default_rng(0).random(brain.data.shape)
    data = np.where(distance == 0, brain.data, np.where(scalp, 1.8 + 0.2 * noise, 0.1 * noise))
    return Image(data.astype(np.float32), brain.affine)


def template_brain(spacing: int = 3) -> Image:
    """The template brain, with room for a head around it."""
    template = load_template()
    room, step = np.eye(4), np.diag([spacing, spacing, spacing, 1])
    room[:3, 3] = -10
    data = np.pad(template.data[::spacing, ::spacing, ::spacing], 10)
    scaled = data / np.percentile(data[data > 0], 99)
    return Image(scaled.clip(0, 1).astype(np.float32), template.affine @ step @ room)


def write_stand_in(folder: Path) -> Path:
    """Write the stand-in as a package in a folder, for the path of Python."""
    (folder / "deepbet").mkdir(parents=True)
    (folder / "deepbet/__init__.py").write_text(STAND_IN)
    return folder


def dice(first: np.ndarray, second: np.ndarray) -> float:
    both = np.count_nonzero(first & second)
    return 2 * both / (np.count_nonzero(first) + np.count_nonzero(second))


def read_mask(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj) != 0
