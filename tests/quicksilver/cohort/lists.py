"""Small lists of pairs to register."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from quicksilver.cohort.pairs import PairPaths
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.io.files import filling
from tests.quicksilver.phantoms import make_brain, write_nifti

OPTIONS = {"affine": False, "steps": 2}


def brain(seed: int) -> Image:
    return make_brain(seed, (20, 20, 20), np.diag([2.0, 2, 2, 1]))


def some_pairs(folder: Path, count: int) -> list[PairPaths]:
    files = [folder / f"{k}.nii.gz" for k in range(count + 1)]
    for k, file in enumerate(files):
        if not file.exists():
            write_nifti(file, brain(k))
    return [PairPaths(f"p{k}", files[k], files[k + 1]) for k in range(count)]


def pretend(pair: PairPaths, place: Path, entries: dict) -> None:
    if pair.id == "p1":
        raise QuicksilverError("expected sense, found none; try again")
    with filling(place) as temporary:
        (temporary / "momentum.nii.gz").write_text("voxels")
        (temporary / "result.json").write_text(json.dumps(entries))
