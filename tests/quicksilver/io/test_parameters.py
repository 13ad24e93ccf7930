"""The table of ITK's parameters says what ITK writes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.errors import QuicksilverError
from quicksilver.io.affines import read_affine
from quicksilver.io.parameters import COUNTS, check_count

UNREAD = "ComposeScaleSkewVersor3DTransform"
"""What SimpleITK writes and does not read."""

KINDS = [name for name in COUNTS if hasattr(sitk, name)]


@pytest.mark.parametrize("name", KINDS)
def test_a_transform_that_itk_wrote_has_its_parameters(name, tmp_path):
    kind = getattr(sitk, name)
    dimensional = name in ("AffineTransform", "TranslationTransform", "ScaleTransform")
    transform = kind(3) if dimensional else kind()
    assert transform.GetNumberOfParameters() == COUNTS[name]
    sitk.WriteTransform(transform, str(tmp_path / "a.txt"))
    if name == UNREAD:
        with pytest.raises(QuicksilverError, match="SimpleITK does not know"):
            read_affine(tmp_path / "a.txt")
        return
    assert np.allclose(read_affine(tmp_path / "a.txt"), np.eye(4))


def test_the_identity_needs_none(tmp_path):
    sitk.WriteTransform(sitk.Transform(3, sitk.sitkIdentity), str(tmp_path / "a.txt"))
    assert np.array_equal(read_affine(tmp_path / "a.txt"), np.eye(4))


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("Euler3DTransform_double_3_3", 1),
        ("AffineTransform_float_3_3", 13),
        ("Euler2DTransform_double_2_2", 0),
        ("MagicTransform_double_3_3", 0),
    ],
)
def test_others_are_refused(kind, count):
    with pytest.raises(ValueError, match="parameters"):
        check_count(kind, count)
