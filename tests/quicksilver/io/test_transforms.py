"""Transforms of other programs."""

import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.transforms import read_transform


def test_other_transforms_of_itk_are_refused(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    bspline = sitk.BSplineTransform(3)
    sitk.WriteTransform(bspline, str(tmp_path / "bspline.h5"))
    with pytest.raises(QuicksilverError, match="BSplineTransform"):
        read_transform(tmp_path / "bspline.h5")
    (tmp_path / "broken.h5").write_bytes((tmp_path / "bspline.h5").read_bytes()[:500])
    with pytest.raises(QuicksilverError, match="a transform of ITK"):
        read_transform(tmp_path / "broken.h5")
