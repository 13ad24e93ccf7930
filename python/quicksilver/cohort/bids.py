"""Find images in BIDS folders, and describe folders of derivatives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from quicksilver.cohort.pairs import PairPaths, require_name
from quicksilver.errors import QuicksilverError
from quicksilver.io.files import write_json
from quicksilver_ext import __version__

IMAGES = ("sub-*/anat/sub-*_T1w.nii*", "sub-*/ses-*/anat/sub-*_T1w.nii*")
STRIPPED = "_desc-brain_"
"""Part of the names of skull-stripped images, and of masks beside whole heads."""

RAW = "raw"
"""Name of the source in the BIDS URIs of a folder of derivatives."""


def find_pairs(folder: Path, target: Path) -> list[PairPaths]:
    """Pair every T1w image of a BIDS folder, raw or of derivatives, with one target.

    Images in another space (`space-`) are left out. If some are skull-stripped (`desc-brain`),
    these alone are taken; others with the mask beside them (`desc-brain_mask`), if there is one.

    Returns:
        The pairs, by the images' names.

    Raises:
        QuicksilverError: There is no image at all, or two have one name.
    """
    images = sorted(path for pattern in IMAGES for path in folder.glob(pattern))
    images = [path for path in images if "_space-" not in path.name]
    chosen = [path for path in images if STRIPPED in path.name] or images
    if not chosen:
        raise QuicksilverError(
            f"expected T1w images in {folder}, as BIDS has them (sub-01/anat/sub-01_T1w.nii.gz), "
            "found none; give the folder of the data set"
        )
    pairs: dict[str, PairPaths] = {}
    for path in chosen:
        name = path.name.split(".nii")[0]
        if name in pairs:
            raise QuicksilverError(
                f"expected images of different names in {folder}, found {path} and "
                f"{pairs[name].moving}, whose results would be one folder; rename or remove one"
            )
        require_name(path, name)
        pairs[name] = PairPaths(name, path, target, moving_mask=_find_mask(path))
    return list(pairs.values())


def choose_participants(pairs: Sequence[PairPaths], labels: Sequence[str]) -> list[PairPaths]:
    """Choose the pairs of participants by their labels, with or without `sub-`; all if none given.

    Raises:
        QuicksilverError: There is no image of a participant.

    Example:
        >>> pairs = [PairPaths(f"sub-{n}_T1w", Path(), Path()) for n in ("01", "02")]
        >>> [pair.id for pair in choose_participants(pairs, ["sub-02"])]
        ['sub-02_T1w']
    """
    wanted = {"sub-" + label.removeprefix("sub-") for label in labels}
    known = {pair.id.split("_")[0] for pair in pairs}
    if wanted - known:
        raise QuicksilverError(
            f"expected labels of participants with T1w images ({', '.join(sorted(known))}), found "
            f"{', '.join(sorted(wanted - known))}; give others"
        )
    return [pair for pair in pairs if not wanted or pair.id.split("_")[0] in wanted]


def _find_mask(image: Path) -> Path | None:
    """Find the brain mask beside an image of a whole head."""
    entities = re.sub(r"(_desc-[^_]+)?_T1w\.nii.*", "", image.name)
    masks = sorted(image.parent.glob(f"{entities}{STRIPPED}mask.nii*"))
    return masks[0] if masks and STRIPPED not in image.name else None


def write_description(folder: Path, source: Path) -> None:
    """Write the dataset_description.json of a folder of derivatives."""
    content = {
        "Name": "Quicksilver registrations",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "quicksilver", "Version": __version__}],
        "SourceDatasets": [{"URL": source.resolve().as_uri()}],
        "DatasetLinks": {RAW: source.resolve().as_uri()},
    }
    write_json(folder / "dataset_description.json", content)
