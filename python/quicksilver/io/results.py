"""Read back the folder that `quicksilver register` and `quicksilver fit` write."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.io.fields import read_field
from quicksilver.io.files import RESULT, require_file
from quicksilver.io.images import read_image
from quicksilver.transforms.field import WorldField

READ = (RESULT, "displacement.nii.gz", "inverse_displacement.nii.gz", "warped.nii.gz")
"""The files of a folder that `load_registration` reads."""


@dataclass(frozen=True)
class Result:
    """A registration that lies in a folder.

    Args:
        displacement: The whole map that warps moving images.
        inverse: The whole map that warps target images back.
        warped: The moving image on the target's grid.
        summary: The content of result.json.
    """

    displacement: WorldField
    inverse: WorldField
    warped: Image
    summary: dict[str, Any]


def load_registration(folder: str | os.PathLike[str]) -> Result:
    """Read the maps and the summary of a folder that `quicksilver register` or `fit` wrote.

    Raises:
        QuicksilverError: A file is missing or damaged.
    """
    folder = Path(folder)
    summary = read_summary(folder)
    return Result(
        read_field(folder / "displacement.nii.gz"),
        read_field(folder / "inverse_displacement.nii.gz"),
        read_image(folder / "warped.nii.gz", planar=True),
        summary,
    )


def read_summary(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read result.json of a folder that `quicksilver register` or `fit` wrote.

    Raises:
        QuicksilverError: It is missing or damaged.
    """
    try:
        file = require_file(Path(folder) / RESULT, "the summary of a registration")
        summary = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(summary, dict):
            raise ValueError(f"a {type(summary).__name__}")
    except (QuicksilverError, OSError, ValueError, RecursionError) as error:
        raise QuicksilverError(
            f"expected a folder that `quicksilver register` wrote, found no readable result.json "
            f"in {folder}; register first"
        ) from error
    return summary
