"""Atlases, images with labels, and tables of the labels' names."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quicksilver.cohort.pairs import find_stem, require_name
from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.io.images import read_grid, read_image


@dataclass(frozen=True)
class Atlas:
    """An image with labels on its own grid.

    Args:
        name: Names the folder of its registration.
        image: File of the image.
        labels: File of the labels.
    """

    name: str
    image: Path
    labels: Path


def find_atlases(images: Sequence[Path], labels: Sequence[Path]) -> list[Atlas]:
    """Make atlases of images and the labels of each, in the same order, named by the images.

    Raises:
        QuicksilverError: There is none, a file is missing or no label map, labels lie on another
            grid than their image, or two images have one name.
    """
    if not images or len(images) != len(labels):
        raise QuicksilverError(
            "expected at least one --atlas and as many --atlas-labels, found "
            f"{len(images)} and {len(labels)}; give each atlas its labels"
        )
    atlases: dict[str, Atlas] = {}
    for image, own in zip(images, labels, strict=True):
        name = find_stem(image)
        require_name(image, name)
        if name in atlases:
            raise QuicksilverError(
                f"expected atlases of different names, found {image} and {atlases[name].image}, "
                "whose results would be one folder; rename or remove one"
            )
        _check_labels(image, own)
        atlases[name] = Atlas(name, image, own)
    return list(atlases.values())


def _check_labels(image: Path, labels: Path) -> None:
    grid, found = read_grid(image), read_image(labels, labels=True).grid
    if not found.matches(grid):
        raise QuicksilverError(
            f"expected {labels} on the grid of its atlas {image}, found shapes {found.shape} and "
            f"{grid.shape} or other positions; give labels that were drawn on this image"
        )


def read_names(path: Path) -> dict[int, str]:
    """Read the names of labels from a CSV file with the columns label and name.

    Raises:
        QuicksilverError: The file is missing, or is none of this kind.
    """
    path = require_file(path, "a table of labels and names")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"label", "name"} <= set(reader.fieldnames or ()):
                raise ValueError(f"the columns {', '.join(reader.fieldnames or ()) or 'none'}")
            return {int(row["label"]): row["name"] or "" for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise QuicksilverError(
            f"expected {path} to be a CSV file with the columns label, an integer, and name, found "
            f"'{error}'; write one row per label"
        ) from error
