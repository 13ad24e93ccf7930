"""Give the files of registrations the names that BIDS has for derivatives."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from quicksilver.cohort.bids import RAW
from quicksilver.cohort.pairs import PairPaths
from quicksilver.io.files import replacing, write_json

REGISTRATIONS = "registrations"
"""Folder with what `register` writes for each image, which BIDS has no names for."""

NAMES = {
    "warped.nii.gz": "space-{space}_desc-brain_T1w.nii.gz",
    "displacement.nii.gz": "from-T1w_to-{space}_mode-image_xfm.nii.gz",
    "inverse_displacement.nii.gz": "from-{space}_to-T1w_mode-image_xfm.nii.gz",
    "moving_mask.nii.gz": "desc-brain_mask.nii.gz",
}
"""Endings of the derivatives by the files of a registration."""


def write_derivatives(pair: PairPaths, source: Path, folder: Path, space: str) -> list[Path]:
    """Give the files of a registration their BIDS names, below the folder of the participant.

    They are hard links where the file system has them, else copies. The brain on the target's grid
    gets a sidecar.

    Args:
        pair: Image and target; its registration lies in REGISTRATIONS, in the folder of its id.
        source: Root of the data set.
        folder: Root of the derivatives.
        space: Name of the target's space.

    Returns:
        The files.
    """
    entities = re.sub(r"(_desc-[^_]+)?_T1w$", "", pair.id)
    levels = [each for each in entities.split("_") if each.startswith(("sub-", "ses-"))]
    place = folder.joinpath(*levels, "anat")
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for name, ending in NAMES.items():
        file = folder / REGISTRATIONS / pair.id / name
        if file.is_file():
            written.append(place / f"{entities}_{ending.format(space=space)}")
            _link(file, written[-1])
    about: dict[str, Any] = {
        "SkullStripped": True,
        "Sources": [f"bids:{RAW}:{pair.moving.relative_to(source).as_posix()}"],
        "SpatialReference": pair.target.name,
    }
    sidecar = NAMES["warped.nii.gz"].format(space=space).replace(".nii.gz", ".json")
    write_json(place / f"{entities}_{sidecar}", about)
    return written


def _link(file: Path, name: Path) -> None:
    with replacing(name) as temporary:
        try:
            os.link(file, temporary)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(file, temporary)


def write_ignored(folder: Path) -> None:
    """Tell validators of a folder of derivatives what BIDS has no names for, maps among it (its
    extension proposal 14 has).
    """
    with replacing(folder / ".bidsignore") as temporary:
        temporary.write_text(f"{REGISTRATIONS}\n*_xfm.nii.gz\n", encoding="utf-8")
