"""A template, the rounds that led to it, and the files that they are written to and read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.io import nifti
from quicksilver.io.files import RESULT, filling, write_json
from quicksilver.io.images import read_image
from quicksilver.io.records import Record
from quicksilver.io.results import read_summary
from quicksilver.registration.evaluation import Spread
from quicksilver.results.folder import collect_versions

TEMPLATE = "template.nii.gz"
"""The file of a template, in the folder of each round and in that of the results."""

FILES = (TEMPLATE, RESULT)
"""The files of a template."""


@dataclass(frozen=True)
class Round(Record):
    """What a round made of the template.

    Args:
        number: 0 for the start, an average of images that affines alone have aligned.
        sharpness: Root mean squared slope per voxel over the standard deviation, in the brain.
        deviation: Root mean square of the images' differences from the template, in parts of the
            99th percentile of intensities.
        change_mm: How far the mean of the images' maps moved the template's shape; None: at the
            start.
        difference: Root mean square, over the brain, of the intensities' differences from the
            template of the round before; None: at the start.
    """

    number: int
    sharpness: float
    deviation: float
    change_mm: Spread | None = None
    difference: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Round:
        """Make a round of what `to_json` returned."""
        change = content.get("change_mm")
        spread = None if change is None else Spread(**change)
        return cls(
            content["number"],
            content["sharpness"],
            content["deviation"],
            spread,
            content.get("difference"),
        )


@dataclass(frozen=True)
class Template:
    """A template of a group of images.

    Args:
        image: The mean image in the mean shape; its 99th percentile is about 1, its background 0.
        rounds: What each round made of it, the start first.
        left_out: Names of images whose last registration failed, and why.
        seconds: Seconds of each stage, in this process.
    """

    image: Image
    rounds: tuple[Round, ...]
    left_out: Mapping[str, str]
    seconds: Mapping[str, float]


def save_round(folder: Path, image: Image, record: Mapping[str, Any]) -> None:
    """Write the template of a round and what is known of it, both or none."""
    with filling(folder) as place:
        nifti.save(place / TEMPLATE, image.data, image.affine)
        write_json(place / RESULT, record)


def load_round(folder: Path) -> tuple[Image, Round, dict[str, str]]:
    """Read the template of a round, what the round made of it, and the images that it left out.

    Raises:
        QuicksilverError: A file is missing or damaged.
    """
    record = read_summary(folder)
    try:
        found, left_out = Round.from_json(record), dict(record["left_out"])
    except (KeyError, TypeError, ValueError) as error:
        raise QuicksilverError(
            f"expected the record of a round in {folder / RESULT}, found another file; remove it, "
            "and run again"
        ) from error
    return read_image(folder / TEMPLATE), found, left_out


def save_template(found: Template, folder: Path, about: Mapping[str, Any]) -> None:
    """Write a template and its summary, both or none.

    Args:
        found: What to write.
        folder: Folder for the files.
        about: Further entries for result.json.
    """
    summary = {
        **about,
        "rounds": [each.to_json() for each in found.rounds],
        "left_out": dict(found.left_out),
        "seconds": {**found.seconds, "total": sum(found.seconds.values())},
        "versions": collect_versions(),
    }
    save_round(folder, found.image, summary)
