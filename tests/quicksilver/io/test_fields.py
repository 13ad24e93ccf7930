"""Displacement fields in files."""

import nibabel as nib
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.fields import read_field, write_field
from tests.quicksilver.phantoms import make_affine, make_brain, smooth_field, write_nifti

MOVING = make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20))


TARGET = make_affine((-5, 8, 100), (1.1, 0.8, 1.3), (1, 1, -1), (5, -25, 20))


def test_itk_resamples_as_we_do(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    moving = make_brain(0, (40, 42, 44), MOVING)
    field = smooth_field(Grid((36, 38, 34), TARGET))
    ours = field.warp(moving)
    write_nifti(tmp_path / "moving.nii.gz", moving)
    write_nifti(tmp_path / "target.nii.gz", ours)
    write_field(tmp_path / "field.nii.gz", field)
    read = {p.name: str(p) for p in tmp_path.iterdir()}
    transform = sitk.DisplacementFieldTransform(
        sitk.ReadImage(read["field.nii.gz"], sitk.sitkVectorFloat64)
    )
    images = (sitk.ReadImage(read[name]) for name in ("moving.nii.gz", "target.nii.gz"))
    theirs = sitk.GetArrayFromImage(sitk.Resample(*images, transform, sitk.sitkLinear, 0.0)).T
    assert np.abs(theirs - ours.data).max() < 1e-3 * np.ptp(moving.data)
    assert (ours.data > 0).mean() > 0.3, "hardly anything was compared"


def test_the_file_is_what_itk_calls_a_displacement_field(tmp_path):
    field = smooth_field(Grid((6, 7, 8), TARGET))
    write_field(tmp_path / "field.nii.gz", field)
    file = nib.load(tmp_path / "field.nii.gz")
    assert file.shape == (6, 7, 8, 1, 3)
    assert file.header["intent_code"] == 1007
    assert np.allclose(file.affine, TARGET, atol=1e-5)
    expected = field.vectors[0, :, 2, 3, 4].numpy() * [-1, -1, 1]
    assert np.allclose(np.asarray(file.dataobj)[2, 3, 4, 0], expected)
    back = read_field(tmp_path / "field.nii.gz")
    assert torch.equal(back.vectors, field.vectors)
    assert back.grid.matches(field.grid)


def test_a_plain_image_is_no_field(tmp_path):
    write_nifti(tmp_path / "image.nii.gz", make_brain(0))
    with pytest.raises(QuicksilverError, match="displacement field"):
        read_field(tmp_path / "image.nii.gz")
