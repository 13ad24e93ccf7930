"""B-spline transforms of ITK, beside SimpleITK's own resampling."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.errors import QuicksilverError
from quicksilver.io.images import read_image
from quicksilver.io.transforms import read_chain
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti
from tests.quicksilver.slices import make_slice, write_picture

SHAPE = (40, 44, 36)


@pytest.fixture
def brain(tmp_path):
    affine = make_affine((5, -8, 10), (1, 1.1, 1.2), (-1, 1, 1), (25, -20, -18))
    return write_nifti(tmp_path / "brain.nii.gz", make_brain(1, SHAPE, affine))


def make_spline(path, mesh=(4, 5, 6), largest=3.0) -> sitk.Transform:
    """A random spline over the image of a file."""
    image = sitk.ReadImage(str(path))
    spline = sitk.BSplineTransformInitializer(image, mesh[: image.GetDimension()])
    numbers = np.random.default_rng(0).uniform(-largest, largest, len(spline.GetParameters()))
    spline.SetParameters(numbers.tolist())
    return spline


def resample(path, transform, out, reference=None):
    image = sitk.ReadImage(str(path), sitk.sitkFloat32)
    onto = image if reference is None else sitk.ReadImage(str(reference), sitk.sitkFloat32)
    sitk.WriteImage(sitk.Resample(image, onto, transform), str(out))
    return read_image(out, planar=True).data


@pytest.mark.parametrize("suffix", [".h5", ".tfm", ".txt"])
def test_a_spline_warps_as_simpleitk_does(suffix, brain, tmp_path, command):
    spline = make_spline(brain)
    sitk.WriteTransform(spline, str(tmp_path / f"spline{suffix}"))
    words = ("apply", "--transform", tmp_path / f"spline{suffix}", brain, "-o")
    assert command(*words, tmp_path / "a.nii.gz", "--reference", brain)[0] == 0
    ours = read_image(tmp_path / "a.nii.gz").data
    theirs = resample(brain, spline, tmp_path / "b.nii.gz")
    assert np.abs(ours - read_image(brain).data).max() > 50, "the spline moves nothing"
    core = (slice(5, -5),) * 3  # on the faces ITK extends the image by half a voxel
    assert np.abs(ours - theirs)[core].max() < 0.05
    code, _, error = command(*words, tmp_path / "c.nii.gz")
    assert code == 2
    assert "--reference" in error


@pytest.mark.parametrize("suffix", [".h5", ".tfm"])
def test_a_composite_of_an_affine_and_a_spline(suffix, brain, tmp_path, command):
    """ITK applies the last transform first: here the affine leads into the spline's region."""
    affine = sitk.AffineTransform(3)
    affine.Scale(0.9)
    affine.Translate((2.0, -1.0, 0.5))
    whole = sitk.CompositeTransform([make_spline(brain), affine])
    sitk.WriteTransform(whole, str(tmp_path / f"whole{suffix}"))
    words = ("apply", "--transform", tmp_path / f"whole{suffix}", brain, "--reference", brain)
    assert command(*words, "-o", tmp_path / "a.nii.gz")[0] == 0
    theirs = resample(brain, whole, tmp_path / "b.nii.gz")
    difference = np.abs(read_image(tmp_path / "a.nii.gz").data - theirs)[5:-5, 5:-5, 5:-5]
    assert np.percentile(difference, 99) < 1.0  # of some 150: the spline was sampled on its own
    assert difference.mean() < 0.1


def test_points_move_by_a_spline(brain, tmp_path):
    spline = make_spline(brain)
    sitk.WriteTransform(spline, str(tmp_path / "spline.tfm"))
    chain = read_chain([str(tmp_path / "spline.tfm")])
    points = np.random.default_rng(1).uniform(-10, 10, (50, 3))
    theirs = [spline.TransformPoint(tuple(point * [-1, -1, 1])) for point in points]
    assert np.abs(chain.map_points(points) - np.array(theirs) * [-1, -1, 1]).max() < 0.03
    for shift in 1000 * np.vstack([np.eye(3), -np.eye(3)]):  # beyond each face of its region
        assert np.allclose(chain.map_points(points + shift), points + shift, atol=1e-3)
    with pytest.raises(QuicksilverError, match="expected a transform with an inverse"):
        chain.invert()


def test_a_spline_of_slices(tmp_path, command):
    picture = write_picture(tmp_path / "slice.png", make_slice(64))
    spline = make_spline(picture)
    sitk.WriteTransform(spline, str(tmp_path / "spline.tfm"))
    words = ("apply", "--transform", tmp_path / "spline.tfm", picture, "--reference", picture)
    assert command(*words, "-o", tmp_path / "a.nii.gz")[0] == 0
    theirs = resample(picture, spline, tmp_path / "b.nii.gz")
    ours = read_image(tmp_path / "a.nii.gz", planar=True).data
    assert np.abs(ours - theirs)[5:-5, 5:-5].max() < 0.05


TEXT = "#Insight Transform File V1.0\n#Transform 0\nTransform: BSplineTransform_double_3_3{order}\n"
FIXED = "FixedParameters: 4 4 4 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1\n"

BAD = {
    "too few numbers": TEXT.format(order="") + "Parameters: 1 2 3\n" + FIXED,
    "no numbers": TEXT.format(order=""),
    "a word": TEXT.format(order="") + "Parameters: " + "0 " * 192 + "\nFixedParameters: 4 4 4 o\n",
    "NaN": TEXT.format(order="") + "Parameters: " + "nan " * 192 + "\n" + FIXED,
    "too many control points": TEXT.format(order="")
    + "Parameters: 0\n"
    + FIXED.replace("4 4 4", "1e9 1e9 1e9"),
    "a fraction of control points": TEXT.format(order="")
    + "Parameters: 0\n"
    + FIXED.replace("4 4 4", "4.5 4 4"),
    "another order": TEXT.format(order="_2") + "Parameters: " + "0 " * 192 + "\n" + FIXED,
}


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_spline_is_refused(name, brain, tmp_path, command):
    (tmp_path / "bad.tfm").write_text(BAD[name])
    words = ("apply", "--transform", tmp_path / "bad.tfm", brain, "--reference", brain)
    code, _, error = command(*words, "-o", tmp_path / "a.nii.gz")
    assert code == 2
    assert "quicksilver: expected a transform of ITK in" in error
    assert not (tmp_path / "a.nii.gz").exists()


def test_a_spline_of_hdf5_with_too_few_numbers_is_refused(brain, tmp_path):
    path = tmp_path / "spline.h5"
    sitk.WriteTransform(make_spline(brain), str(path))
    with h5py.File(path, "a") as file:
        group = file["TransformGroup/0"]
        del group["TransformParameters"]
        group["TransformParameters"] = np.zeros(9)
    with pytest.raises(QuicksilverError, match="9 parameters, where this BSplineTransform has"):
        read_chain([str(path)])
