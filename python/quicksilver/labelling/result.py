"""An image with labels, and the files that it is written to."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from quicksilver.images.image import Image
from quicksilver.io import nifti
from quicksilver.io.files import RESULT, filling, write_json
from quicksilver.io.records import Record
from quicksilver.registration.stripping import Stripped
from quicksilver.registration.verdict import Verdict
from quicksilver.results.folder import collect_versions

FILES = ("labels.nii.gz", "mask.nii.gz", "volumes.csv", "report.html", RESULT)
"""All files that a labelling may have, beside the registrations of the atlases."""


@dataclass(frozen=True)
class Volume(Record):
    """How much of an image has a label.

    Args:
        label: The label.
        name: Its name; empty: not known.
        voxels: Number of voxels.
        volume_mm3: Their volume.
    """

    label: int
    name: str
    voxels: int
    volume_mm3: float


@dataclass(frozen=True)
class Labelling:
    """An image with labels.

    Args:
        labels: Labels on the image's own grid.
        volumes: Of every label but 0.
        verdicts: On the registration of each atlas; those that failed were left out.
        stripped: The image without its skull; None: it was not stripped.
        seconds: Seconds of each stage.
    """

    labels: Image
    volumes: tuple[Volume, ...]
    verdicts: Mapping[str, Verdict]
    stripped: Stripped | None
    seconds: Mapping[str, float]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the mask and the atlases, in sentences."""
        judged = [(name, found) for name, found in self.verdicts.items() if found.level != "good"]
        doubt = None if self.stripped is None else self.stripped.doubt
        return (() if doubt is None else (doubt,)) + tuple(
            f"the registration of atlas {name} is {found.level}"
            f"{', it is left out' if found.level == 'failed' else ''}: {'; '.join(found.reasons)}"
            for name, found in judged
        )


def measure_volumes(labels: Image, names: Mapping[int, str]) -> tuple[Volume, ...]:
    """Measure the volume of every label but 0.

    Example:
        >>> cube = Image(np.ones((2, 2, 2), np.uint8), np.diag([2.0, 2, 2, 1]))
        >>> measure_volumes(cube, {1: "cube"})
        (Volume(label=1, name='cube', voxels=8, volume_mm3=64.0),)
    """
    found, counts = np.unique(labels.data, return_counts=True)
    each = labels.grid.voxel_volume
    return tuple(
        Volume(label, names.get(label, ""), count, round(count * each, 3))
        for label, count in zip(found.tolist(), counts.tolist(), strict=True)
        if label != 0
    )


def save_labelling(
    found: Labelling, folder: Path, about: dict[str, Any], write_page: Callable[[Path], None]
) -> None:
    """Write the labels, their volumes, the page and the summary, all of them or none.

    Args:
        found: What to write.
        folder: Folder for the files.
        about: Further entries for result.json.
        write_page: Writes the page.
    """
    with filling(folder) as place:
        nifti.save(place / "labels.nii.gz", found.labels.data, found.labels.affine)
        if found.stripped is not None:
            mask = found.stripped.mask
            nifti.save(place / "mask.nii.gz", mask.data, mask.affine)
        with (place / "volumes.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Volume)])
            writer.writeheader()
            writer.writerows(volume.to_json() for volume in found.volumes)
        write_page(place / "report.html")
        summary = {
            **about,
            "labels": len(found.volumes),
            "verdicts": {name: verdict.to_json() for name, verdict in found.verdicts.items()},
            "notes": list(found.notes),
            "seconds": {**found.seconds, "total": sum(found.seconds.values())},
            "versions": collect_versions(),
        }
        write_json(place / RESULT, summary)
