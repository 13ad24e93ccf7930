"""Made-up brains for tests, and the files they are written to."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from quicksilver.images.image import Grid, Image
from quicksilver.training.synthesis import draw_smooth_noise
from quicksilver.transforms.field import WorldField


def make_affine(degrees, spacing, flips=(1, 1, 1), origin=(0, 0, 0)) -> np.ndarray:
    """Voxel to world: rotated axes of the given spacing, some of them flipped."""
    affine = np.eye(4)
    rotation = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine[:3, :3] = rotation @ np.diag(np.multiply(spacing, flips))
    affine[:3, 3] = origin
    return affine


def make_brain(seed: int, shape=(40, 44, 36), affine=None) -> Image:
    """A textured ellipsoid on a background of zeros."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    texture = gaussian_filter(noise, 2)
    x, y, z = np.meshgrid(*(np.linspace(-1.15, 1.15, n) for n in shape), indexing="ij")
    data = np.where(x**2 + y**2 + z**2 < 1, 100 + 300 * texture, 0).clip(0)
    return Image(data.astype(np.float32), np.eye(4) if affine is None else affine)


def write_nifti(path: Path, image: Image) -> Path:
    nib.save(nib.Nifti1Image(image.data, image.affine), path)
    return path


def texture(seed: int = 0, shape=(18, 16, 20)) -> torch.Tensor:
    """A smooth image between 0 and 1.2, zero near the faces."""
    generator = torch.Generator().manual_seed(seed)
    window = torch.ones(1, 1, *[n - 6 for n in shape])
    window = torch.nn.functional.pad(window, [3] * 6)
    return (window * (0.6 + 0.4 * draw_smooth_noise(shape, (5,), generator))).clamp(0, 1.2)


def noise(seed=0, shape=(18, 17, 19), count=1) -> torch.Tensor:
    """White noise between 0.1 and 1.1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, *shape, generator=generator) + 0.1


def smooth_field(grid: Grid, largest: float = 4.0) -> WorldField:
    """A smooth displacement of at most `largest` mm along each axis."""
    noise = np.random.default_rng(0).standard_normal((3, *grid.shape))
    vectors = np.stack([gaussian_filter(component, 5) for component in noise])
    vectors *= largest / np.abs(vectors).max()
    return WorldField(torch.from_numpy(vectors.astype(np.float32))[None], grid)


def voxels_in(grid: Grid, image: Image) -> np.ndarray:
    """Coordinates of the image's non-zero voxels in voxels of the grid."""
    world = np.argwhere(image.data != 0) @ image.affine[:3, :3].T + image.affine[:3, 3]
    return (world - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T
