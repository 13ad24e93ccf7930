"""Average images voxel by voxel, each interpolated once, and begin a template where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from quicksilver.images.image import Grid, Image, find_brain_box
from quicksilver.images.intensity import normalise
from quicksilver.images.resampling import MARGIN, surround
from quicksilver.io.images import read_image
from quicksilver.registration.placement import align_with_template
from quicksilver.templates.mean import average_stretches, fix_point
from quicksilver.transforms.chain import Chain, Transform

SHOWN = 0.5
"""Part of the images that show something where the template does."""


@dataclass(frozen=True)
class Average:
    """The mean of images.

    Args:
        image: The mean, 0 where fewer than half of the images show something.
        deviation: Root mean square, over the brain, of the images' differences from it, in parts
            of the 99th percentile of intensities.
    """

    image: Image
    deviation: float


def average_images(images: Sequence[Path], chains: Sequence[Chain], grid: Grid) -> Average:
    """Average images, scaled alike, on a grid.

    Args:
        images: Their files.
        chains: From the grid's points to those of each image.
        grid: Where the mean lies.
    """
    total, squares, seen = (np.zeros(grid.shape) for _ in range(3))
    for path, chain in zip(images, chains, strict=True):
        image = read_image(path)
        scaled = Image(normalise(torch.from_numpy(image.data)).numpy(), image.affine)
        field = chain.onto(grid)
        warped = field.warp(scaled).data.astype(np.float64)
        total += warped
        squares += warped**2
        seen += field.warp(Image((image.data != 0).astype(np.float32), image.affine)).data
    count = len(images)
    inside = seen >= SHOWN * count
    mean = np.where(inside, total / count, 0)
    variance = (squares / count - mean**2)[inside]
    deviation = float(np.sqrt(variance.clip(0).mean())) if inside.any() else 0.0
    return Average(Image(mean.astype(np.float32), grid.affine), deviation)


def begin(images: Sequence[Path], spacing: float | None) -> Average:
    """Average images that are aligned by affines alone, at their mean size.

    They are brought to the template that the networks know. Where one of them is unlike it, all are
    taken where their headers say that they lie.

    Args:
        images: Their files.
        spacing: Voxel size in mm; None: the median of the images'.
    """
    found, volumes = [], []
    for path in images:  # read again later: a large group does not fit in memory
        image = read_image(path)
        found.append(align_with_template(image))
        volumes.append(image.grid.voxel_volume)
    if all(alignment.convincing for alignment in found):
        stretch = fix_point(average_stretches([each.matrix for each in found]), np.zeros(3))
        matrices = [each.matrix @ np.linalg.inv(stretch) for each in found]
    else:
        matrices = [np.eye(4) for _ in found]
    first = read_image(images[0]).reframe(matrices[0])
    boxes = [
        find_brain_box(first, read_image(path).reframe(matrix))
        for path, matrix in zip(images, matrices, strict=True)
    ]
    low, high = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    grid = surround(low, high, spacing or float(np.median(volumes) ** (1 / 3)), MARGIN)
    return average_images(images, [_make_chain(matrix) for matrix in matrices], grid)


def _make_chain(matrix: np.ndarray) -> Chain:
    return Chain([Transform(matrix, np.linalg.inv(matrix), "the affine")])
