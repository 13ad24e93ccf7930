"""Load the images that networks are trained on: one affinely aligned frame, in memory, by name."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.images.intensity import Intensity, normalise
from quicksilver.images.resampling import resample
from quicksilver.io.affines import check_affine
from quicksilver.io.files import require_file
from quicksilver.io.images import read_image
from quicksilver.runtime.devices import require_memory
from quicksilver.training.settings import Data

EACH = 4
"""Bytes per voxel of the frame for every subject: an image in half precision, labels in 16 bits."""

WORK = 100
"""Bytes per voxel of the frame for a training step, at the least."""


@dataclass(frozen=True)
class Volumes:
    """Subjects in one frame.

    Args:
        names: Their names.
        images: (N, 1, X, Y, Z), normalised, in half precision; None: there are only labels.
        labels: (N, 1, X, Y, Z), integer; None: the recipe names none.
        grid: The frame.
    """

    names: tuple[str, ...]
    images: Tensor | None
    labels: Tensor | None
    grid: Grid

    def __len__(self) -> int:
        return len(self.names)

    def part(self, members: slice) -> Volumes:
        """Select some of the subjects."""
        images, labels = (None if v is None else v[members] for v in (self.images, self.labels))
        return Volumes(self.names[members], images, labels, self.grid)

    def to(self, device: torch.device) -> Volumes:
        """Move images and labels to a device."""
        images, labels = (None if v is None else v.to(device) for v in (self.images, self.labels))
        return Volumes(self.names, images, labels, self.grid)

    def image(self, index: int) -> Tensor:
        """Return one image, (1, 1, X, Y, Z), float32."""
        assert self.images is not None
        return self.images[index : index + 1].float()


def load_volumes(folder: str | Path, settings: Data) -> Volumes:
    """Read the images and label maps that a recipe names, on its frame.

    A subject's matrix, where the recipe names a file of them, takes a point of the frame to the
    matching point of the subject, RAS millimetres; without one, images are taken to be aligned
    already.

    Raises:
        QuicksilverError: Nothing matches, or a matrix is missing.
    """
    folder = Path(folder)
    pattern = settings.named
    try:
        files = sorted(folder.glob(pattern))
    except (NotImplementedError, ValueError, OSError) as error:  # of absolute and empty patterns
        raise QuicksilverError(
            f"expected a pattern of file names below {folder}, found {pattern} ('{error}'); write "
            "it relative to --data"
        ) from error
    if not files:
        raise QuicksilverError(
            f"expected images named {pattern} in {folder}, found none; "
            "give their folder with --data"
        )
    prefix, suffix = pattern.rsplit("/", 1)[-1].split("*", 1)
    names = tuple(file.name.removeprefix(prefix).removesuffix(suffix) for file in files)
    grid = make_frame(settings)
    voxels = math.prod(grid.shape)
    require_memory(
        float(voxels * (EACH * len(files) + WORK)),
        torch.device("cpu"),
        f"{len(files)} subjects on a frame of {voxels / 1e6:.1f} million voxels are too many: make "
        "its shape smaller, or give fewer images",
    )
    matrices = _read_matrices(folder, settings, names, prefix)

    def stack(pattern: str | None, labels: bool) -> Tensor | None:
        if pattern is None:
            return None
        found = [folder / pattern.replace("*", name) for name in names]
        pairs = zip(found, matrices, strict=True)
        intensity = None if labels else settings.intensity
        return torch.cat([_read_on_frame(file, matrix, grid, intensity) for file, matrix in pairs])

    return Volumes(names, stack(settings.images, False), stack(settings.labels, True), grid)


def make_frame(settings: Data) -> Grid:
    """Return the grid of a recipe's frame, along RAS axes."""
    affine = np.diag([settings.spacing] * 3 + [1.0])
    affine[:3, 3] = settings.origin
    return Grid(settings.shape, affine)


def _read_matrices(
    folder: Path, settings: Data, names: Sequence[str], prefix: str
) -> list[np.ndarray]:
    if settings.matrices is None:
        return [np.eye(4)] * len(names)
    path = require_file(folder / settings.matrices, "the matrices")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = [np.array(stored[prefix + name]["M"], dtype=float) for name in names]
        return [check_affine(matrix.reshape(4, 4)) for matrix in found]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise QuicksilverError(
            f"expected {path} to hold a 4 x 4 matrix M for every image, found '{error}'; "
            "align the missing images, or take them out of the folder"
        ) from error


def _read_on_frame(
    path: Path, matrix: np.ndarray, grid: Grid, intensity: Intensity | None
) -> Tensor:
    """Read an image on a frame, its intensities scaled; None: a label map."""
    image = read_image(path, labels=intensity is None)
    placed = Image(image.data, np.linalg.inv(matrix) @ image.affine)
    found = resample(placed, grid, "nearest" if intensity is None else "linear")
    if not found.any():
        raise QuicksilverError(
            f"expected {path} on the frame of the recipe, found nothing of it there; check origin, "
            "spacing, shape and matrices"
        )
    if intensity is not None:
        return normalise(found, intensity).half()
    if found.min() < 0 or found.max() > torch.iinfo(torch.int16).max:
        raise QuicksilverError(
            f"expected labels from 0 to {torch.iinfo(torch.int16).max} in {path}, found "
            f"{int(found.min())} to {int(found.max())}; renumber them"
        )
    return found.to(torch.int16)
