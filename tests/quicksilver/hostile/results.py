"""Folders of results that are none or damaged, by name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from tests.quicksilver.hostile.files import (
    NAN,
    SHAPE,
    Maker,
    good_nifti,
    holding,
    in_the_way,
    named,
)
from tests.quicksilver.hostile.transforms import field, result_folder


def spoiled(name: str, content: bytes | None) -> Maker:
    """A folder of results of which one file is another, or missing."""

    def make(folder: Path) -> Path:
        made = result_folder()(folder)
        if content is None:
            (made / name).unlink()
        else:
            (made / name).write_bytes(content)
        return made

    return make


def linked_to_itself(name: str) -> Maker:
    def make(folder: Path) -> Path:
        made = spoiled(name, None)(folder)
        (made / name).symlink_to(name)
        return made

    return make


PACKED = gzip.compress(field())
RESULTS: dict[str, Maker] = {
    "absent": named("absent"),
    "a file": holding(b"no folder", "file"),
    "an empty folder": in_the_way("empty"),
    "no summary": spoiled("result.json", None),
    "a summary of nothing": spoiled("result.json", b""),
    "a summary of words": spoiled("result.json", b"well done"),
    "a summary of bytes": spoiled("result.json", bytes(range(256))),
    "a summary of a number": spoiled("result.json", b"1e999"),
    "a summary 100,000 deep": spoiled("result.json", b"[" * 100_000),
    "a summary of a huge number": spoiled("result.json", b"9" * 5000),
    "a summary that links to itself": linked_to_itself("result.json"),
    "a field that links to itself": linked_to_itself("displacement.nii.gz"),
    "no field": spoiled("displacement.nii.gz", None),
    "no inverse": spoiled("inverse_displacement.nii.gz", None),
    "a field of nothing": spoiled("displacement.nii.gz", b""),
    "an inverse of nothing": spoiled("inverse_displacement.nii.gz", b""),
    "half a field": spoiled("displacement.nii.gz", PACKED[: len(PACKED) // 2]),
    "half an inverse": spoiled("inverse_displacement.nii.gz", PACKED[: len(PACKED) // 2]),
    "a field of NaN": spoiled("displacement.nii.gz", gzip.compress(field(NAN))),
    "a field beyond the sun": spoiled("displacement.nii.gz", gzip.compress(field(1e30))),
    "an inverse beyond the sun": spoiled("inverse_displacement.nii.gz", gzip.compress(field(1e30))),
    "an image for a field": spoiled("displacement.nii.gz", gzip.compress(good_nifti())),
    "a field for its image": spoiled("warped.nii.gz", PACKED),
    "an image of NaN": spoiled(
        "warped.nii.gz", gzip.compress(good_nifti(data=np.full(SHAPE, NAN, np.float32)))
    ),
    "no image": spoiled("warped.nii.gz", None),
    "a verdict for a summary": spoiled("displacement.nii.gz", json.dumps({"a": 1}).encode()),
}
