"""Atlases that are none, tables that are none: one sentence, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.labelling.options import LabelOptions
from tests.quicksilver.phantoms import write_nifti
from tests.quicksilver.processes import assert_refused


def damage(folder: Path, files: Path) -> dict[str, list[object]]:
    """Command lines that cannot work, by name."""
    labels = read_image(files / "labels1.nii.gz", True)
    half = Image(labels.data / np.float32(2), labels.affine)
    write_nifti(folder / "fractions.nii.gz", half)
    write_nifti(folder / "shorter.nii.gz", Image(labels.data[1:], labels.affine))
    (folder / "names.csv").write_text("number,name\n1,one\n")
    (folder / "words.csv").write_text("label,name\none,one\n")
    image, atlas = files / "image.nii.gz", files / "atlas1.nii.gz"
    own, out = files / "labels1.nii.gz", folder / "out"

    def labelling(*words: object) -> list[object]:
        return ["label", image, "--atlas", atlas, "-o", out, *words]

    return {
        "fewer labels than atlases": labelling("--atlas", atlas, "--atlas-labels", own),
        "fractions": labelling("--atlas-labels", folder / "fractions.nii.gz"),
        "another grid": labelling("--atlas-labels", folder / "shorter.nii.gz"),
        "missing labels": labelling("--atlas-labels", folder / "absent.nii.gz"),
        "one name twice": labelling("--atlas", atlas, *("--atlas-labels", own) * 2),
        "other columns": labelling("--atlas-labels", own, "--label-names", folder / "names.csv"),
        "words for labels": labelling("--atlas-labels", own, "--label-names", folder / "words.csv"),
        "a missing image": ["label", folder / "no.nii.gz", *labelling("--atlas-labels", own)[2:]],
        "a missing mask": labelling("--atlas-labels", own, "--mask", folder / "no.nii.gz"),
        "a missing model": labelling("--atlas-labels", own, "--model", "no-model"),
    }


BAD_INPUTS = [
    "fewer labels than atlases",
    "fractions",
    "another grid",
    "missing labels",
    "one name twice",
    "other columns",
    "words for labels",
    "a missing image",
    "a missing mask",
    "a missing model",
]


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence(name, files, tmp_path, command):
    words = damage(tmp_path, files)[name]
    assert_refused(command, [*words], tmp_path)


def test_options_are_checked():
    for wrong in ({"refine": -1}, {"fusion": "best"}):
        with pytest.raises(QuicksilverError, match="expected"):
            LabelOptions(**wrong)
