"""Made-up slices for tests, and known maps between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, map_coordinates

SIZE = 160


def make_slice(size: int = SIZE, seed: int = 0) -> np.ndarray:
    """A textured blob like a section of tissue, (X, Y), 0 to 255, on a background of zeros."""
    random = np.random.default_rng(seed)
    texture = np.zeros((size, size))
    for width in (size / 8, size / 24, size / 60):
        noise = gaussian_filter(random.standard_normal((size, size)), width, mode="wrap")
        texture += noise / noise.std()
    x, y = np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij")
    angle = np.arctan2(y, x)
    edge = 0.7 + 0.08 * np.cos(3 * angle + 1) + 0.05 * np.sin(5 * angle)
    tissue = np.clip((edge - np.hypot(x, y)) * size / 8, 0, 1)
    return np.rint(tissue * (130 + 30 * np.clip(texture / 2, -2, 2)))


def make_map(size: int = SIZE, degrees: float = 10.0, bend: float = 0.02) -> np.ndarray:
    """A turned, stretched and bent map (2, X, Y): where the pixels of the moving image lie in the
    target.
    """
    turn, middle = np.deg2rad(degrees), (size - 1) / 2
    matrix = 1.05 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    index = np.indices((size, size)).astype(float)
    x, y = 2 * np.pi * index / size
    wave = [np.sin(2 * x + 0.5) * np.cos(1.5 * y), np.sin(1.5 * x + 1) * np.cos(2 * y)]
    bent = index - middle + bend * size * np.stack(wave)
    return np.einsum("ij,jxy->ixy", matrix, bent) + middle + 0.03 * size


def draw(target: np.ndarray, places: np.ndarray, order: int = 1) -> np.ndarray:
    """The moving image whose pixels show a target at some places."""
    return np.rint(map_coordinates(target, places, order=order))


def measure_error(field: np.ndarray, places: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """How far a field (2, X, Y), in pixels, leads the places from their pixels, inside a mask."""
    found = [
        place + map_coordinates(part, places, order=1)
        for place, part in zip(places, field, strict=True)
    ]
    return np.hypot(*(np.stack(found) - np.indices(inside.shape)))[inside]


def write_picture(path: Path, pixels: np.ndarray, kind: str = "uint8") -> Path:
    """Write pixels (X, Y), or of a colour (X, Y, C), by SimpleITK."""
    turned = np.ascontiguousarray(pixels.swapaxes(0, 1).astype(kind))
    sitk.WriteImage(sitk.GetImageFromArray(turned, isVector=pixels.ndim == 3), str(path))
    return path


def read_array(path: Path) -> np.ndarray:
    """Read what SimpleITK reads: (X, Y), of vectors (C, X, Y)."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T
