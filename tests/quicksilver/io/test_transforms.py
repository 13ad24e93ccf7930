"""Transforms of other programs."""

import time

import h5py
import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.transforms import read_transform
from quicksilver.transforms.chain import Chain
from tests.quicksilver.hostile.transforms import TRANSFORMS


def test_a_transform_of_itk_that_is_cut_short_is_refused(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteTransform(sitk.AffineTransform(3), str(tmp_path / "whole.h5"))
    (tmp_path / "broken.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:500])
    with pytest.raises(QuicksilverError, match="a transform of ITK"):
        read_transform(tmp_path / "broken.h5")


PART = """#Transform {n}
Transform: AffineTransform_double_3_3
Parameters: 1 0 0 0 1 0 0 0 1 {n} 0 0
FixedParameters: 0 0 0
"""


@pytest.mark.parametrize("suffix", [".txt", ".mat", ".h5"])
def test_a_list_of_transforms_that_is_no_composite_is_refused(tmp_path, suffix):
    """As motion correction writes one for each volume; ITK reads the first alone."""
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / f"motion{suffix}"
    if suffix == ".txt":
        path.write_text(
            "#Insight Transform File V1.0\n" + "".join(PART.format(n=n) for n in range(3))
        )
    else:
        sitk.WriteTransform(sitk.AffineTransform(3), str(path))
        if suffix == ".mat":
            path.write_bytes(3 * path.read_bytes())
        else:
            with h5py.File(path, "a") as file:
                for n in (1, 2):
                    file.copy("TransformGroup/0", f"TransformGroup/{n}")
    with pytest.raises(QuicksilverError, match="3 transforms one after the other"):
        read_transform(path)


@pytest.mark.parametrize("suffix", [".txt", ".h5"])
def test_a_composite_is_applied_whole(tmp_path, suffix):
    sitk = pytest.importorskip("SimpleITK")
    shift, scale = sitk.TranslationTransform(3, (1, 2, 3)), sitk.AffineTransform(3)
    scale.Scale(2.0)
    whole = sitk.CompositeTransform([shift, scale])
    sitk.WriteTransform(whole, str(tmp_path / f"whole{suffix}"))
    found = Chain(read_transform(tmp_path / f"whole{suffix}")).map_points(np.array([[5.0, 6, 7]]))
    expected = np.array(whole.TransformPoint((-5.0, -6.0, 7.0))) * [-1, -1, 1]
    assert np.allclose(found, expected, atol=1e-4)


LTA = "type = 1\nnxforms = 1\n1 4 4\n1 0 0 5\n0 1 0 0\n0 0 1 0\n{last}\n"


def test_the_last_row_of_an_lta_is_read(tmp_path):
    (tmp_path / "good.lta").write_text(LTA.format(last="0 0 0 1"))
    assert np.allclose(read_transform(tmp_path / "good.lta")[0].forward[:3, 3], [-5, 0, 0])
    (tmp_path / "bad.lta").write_text(LTA.format(last="0 0 0.5 1"))
    with pytest.raises(QuicksilverError, match=r"last row is \[0.0, 0.0, 0.5, 1.0\]"):
        read_transform(tmp_path / "bad.lta")


def test_an_lta_of_blank_lines_is_read_at_once(tmp_path):
    text = LTA.format(last="0 0 0 1")
    (tmp_path / "long.lta").write_text(
        text.replace("nxforms = 1\n", "nxforms = 1" + "\n" * 900_000)
    )
    start = time.perf_counter()
    assert np.allclose(read_transform(tmp_path / "long.lta")[0].forward[:3, 3], [-5, 0, 0])
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("value", [1e30, float("nan")])
def test_a_composite_whose_field_leads_nowhere_is_refused(tmp_path, value):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(np.full((4, 5, 6, 3), value), isVector=True)
    sitk.WriteTransform(sitk.DisplacementFieldTransform(image), str(tmp_path / "field.h5"))
    with pytest.raises(QuicksilverError, match="a displacement field with NaN or beyond"):
        read_transform(tmp_path / "field.h5")


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name.startswith("HDF5 ")])
def test_what_reads_hdf5_has_nothing_to_add(name, tmp_path, capfd):
    """ITK's copy of HDF5 would print its own trace."""
    path = TRANSFORMS[name](tmp_path)
    with pytest.raises(QuicksilverError, match="found"):
        read_transform(path)
    assert capfd.readouterr().err == ""
