"""Images that are not where a recipe says, labels and matrices that are none."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.training.dataset import load_volumes
from quicksilver.training.settings import Data

AFFINE = np.diag([2.0, 2, 2, 1])


@pytest.fixture
def folder(tmp_path):
    labels = np.zeros((16, 16, 16), np.int32)
    labels[4:12, 4:12, 4:12] = 7
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "a.nii")
    return tmp_path


def settings(**changes) -> Data:
    frame = {"shape": (16, 16, 16), "spacing": 2.0, "origin": (0, 0, 0), "held_out": 2}
    return Data(**{"labels": "*.nii", **frame, **changes})


def test_labels_are_on_the_frame(folder):
    volumes = load_volumes(folder, settings())
    assert volumes.labels is not None
    assert volumes.labels.dtype == torch.int16
    assert volumes.labels.unique().tolist() == [0, 7]


@pytest.mark.parametrize("kind", ["labels", "images"])
def test_what_is_not_on_the_frame_is_refused(kind, folder):
    named = {"images": "*.nii", "labels": None} if kind == "images" else {}
    with pytest.raises(QuicksilverError, match=r"on the frame of the recipe, found nothing"):
        load_volumes(folder, settings(origin=(5000, 0, 0), **named))


@pytest.mark.parametrize("value", [-1, 40_000])
def test_labels_beyond_sixteen_bits_are_refused(value, folder):
    labels = np.full((16, 16, 16), value, np.int32)
    nib.save(nib.Nifti1Image(labels, AFFINE), folder / "b.nii")
    with pytest.raises(QuicksilverError, match=r"labels from 0 to 32767"):
        load_volumes(folder, settings())


MATRIX = np.eye(4).tolist()
MATRICES = {
    "nothing": "",
    "a list": "[]",
    "a list in its place": json.dumps({"a": [MATRIX]}),
    "words": json.dumps({"a": {"M": "identity"}}),
    "too few numbers": json.dumps({"a": {"M": [1, 2, 3]}}),
    "NaN": json.dumps({"a": {"M": np.full((4, 4), np.nan).tolist()}}),
    "zeros": json.dumps({"a": {"M": np.zeros((4, 4)).tolist()}}),
    "a projection": json.dumps({"a": {"M": [*MATRIX[:3], [0, 0, 1, 1]]}}),
    "a shift beyond the earth": json.dumps({"a": {"M": [[1, 0, 0, 1e30], *MATRIX[1:]]}}),
    "another subject": json.dumps({"b": {"M": MATRIX}}),
    "100,000 deep": "[" * 100_000,
}


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_that_are_none_are_refused(name, folder):
    (folder / "matrices.json").write_text(MATRICES[name])
    with pytest.raises(QuicksilverError, match="a 4 x 4 matrix M for every image"):
        load_volumes(folder, settings(matrices="matrices.json"))
