"""BIDS folders: which images they hold, and what a folder of derivatives must say about itself."""

from __future__ import annotations

import re
from pathlib import Path

from quicksilver.cohort.pairs import PairPaths
from quicksilver.errors import QuicksilverError
from quicksilver.io.files import write_json
from quicksilver_ext import __version__

IMAGES = ("sub-*/anat/sub-*_T1w.nii*", "sub-*/ses-*/anat/sub-*_T1w.nii*")
STRIPPED = "_desc-brain_"
"""What the name of a skull-stripped image has, and that of the mask beside a whole head."""


def pairs_to(folder: Path, target: Path) -> list[PairPaths]:
    """Every T1w image of a BIDS folder, raw or of derivatives, to one target; by the images' names.

    Images in another space (`space-`) are left out. Where some are skull-stripped (`desc-brain`), these
    alone are taken; others with the mask beside them (`desc-brain_mask`), where there is one. Raises
    QuicksilverError where there is no image at all.
    """
    images = sorted(path for pattern in IMAGES for path in folder.glob(pattern))
    images = [path for path in images if "_space-" not in path.name]
    chosen = [path for path in images if STRIPPED in path.name] or images
    if not chosen:
        raise QuicksilverError(
            f"expected T1w images in {folder}, as BIDS has them (sub-01/anat/sub-01_T1w.nii.gz), "
            "found none; give the folder of the data set"
        )
    return [
        PairPaths(path.name.split(".nii")[0], path, target, moving_mask=_mask(path))
        for path in chosen
    ]


def _mask(image: Path) -> Path | None:
    """The brain mask beside an image of a whole head."""
    entities = re.sub(r"(_desc-[^_]+)?_T1w\.nii.*", "", image.name)
    masks = sorted(image.parent.glob(f"{entities}{STRIPPED}mask.nii*"))
    return masks[0] if masks and STRIPPED not in image.name else None


def describe(folder: Path, source: Path) -> None:
    """Write the dataset_description.json of a folder of derivatives."""
    content = {
        "Name": "Quicksilver registrations",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "quicksilver", "Version": __version__}],
        "SourceDatasets": [{"URL": source.resolve().as_uri()}],
    }
    write_json(folder / "dataset_description.json", content)
