"""NIfTI files: which affine counts, what of the header stays, how much a file may claim."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.errors import QuicksilverError
from quicksilver.io import nifti
from quicksilver.io.images import find_doubt, read_grid, read_image
from quicksilver.runtime import devices
from tests.quicksilver.hostile.files import dims, good_nifti, with_header
from tests.quicksilver.phantoms import make_affine

AFFINE = make_affine((10, -20, 30), (1, 1.2, 0.9), origin=(20, -20, -20))
OTHER = make_affine((12, -20, 30), (1, 1.2, 0.9), origin=(21, -20, -20))


def image(sform=None, qform=None) -> nib.Nifti1Image:
    file = nib.Nifti1Image(np.ones((8, 9, 10), np.float32), None)
    file.header.set_sform(sform, 1 if sform is not None else 0)
    file.header.set_qform(qform, 1 if qform is not None else 0)
    return file


def write(path, sform=None, qform=None):
    header = image(sform, qform).header
    raw = good_nifti()
    path.write_bytes(header.binaryblock + raw[len(header.binaryblock) :])
    return path


def test_a_zero_sform_gives_way_to_the_qform(tmp_path):
    path = write(tmp_path / "a.nii", np.zeros((4, 4)), AFFINE)
    assert np.allclose(nifti.read(path).affine, AFFINE, atol=1e-4)
    assert np.allclose(read_grid(path).affine, AFFINE, atol=1e-4)
    assert nifti.find_doubt(path) is None


def test_a_sform_and_a_qform_that_disagree_are_noted(tmp_path):
    path = write(tmp_path / "a.nii", AFFINE, OTHER)
    assert np.allclose(nifti.read(path).affine, AFFINE, atol=1e-4)
    assert "disagree by up to 1." in str(nifti.find_doubt(path))
    assert nifti.find_doubt(write(tmp_path / "b.nii", AFFINE, AFFINE)) is None
    assert nifti.find_doubt(write(tmp_path / "c.nii", AFFINE)) is None


def sparse(path, dtype, *sizes):
    """A gzip file of plain zeros behind a header."""
    header = with_header(dim=dims(*sizes), datatype=dtype[0], bitpix=dtype[1])[:352]
    million = gzip.compress(bytes(1 << 20), 9)
    count = int(np.prod(sizes)) * dtype[1] // 8 // (1 << 20) + 1
    path.write_bytes(gzip.compress(header) + count * million)
    return path


@pytest.mark.parametrize(
    ("dtype", "sizes"), [((16, 32), (512, 512, 400)), ((2, 8), (640, 640, 700))]
)
def test_sparse_masks_of_high_resolution_are_no_bombs(tmp_path, dtype, sizes):
    assert read_grid(sparse(tmp_path / "mask.nii.gz", dtype, *sizes)).shape == sizes


def test_memory_is_asked_for_before_voxels_are_read(tmp_path, monkeypatch):
    path = sparse(tmp_path / "mask.nii.gz", (2, 8), 100, 100, 100)
    monkeypatch.setattr(devices, "free_memory", lambda device: 5 << 20)
    monkeypatch.setattr(nifti, "_read_voxels", lambda *_: pytest.fail("it was read"))
    with pytest.raises(QuicksilverError, match=r"free memory.*mask\.nii\.gz has 1 million voxels"):
        nifti.read(path)


KEPT = {
    "descrip": b"BOLD of a task",
    "aux_file": b"colours",
    "intent_code": 3,
    "intent_name": b"t of a contrast",
    "intent_p1": 17.0,
    "cal_min": -2.0,
    "cal_max": 9.0,
    "toffset": 1.5,
}


@pytest.mark.parametrize("volumes", [(), (5,)])
def test_what_stays_true_of_a_header_is_kept(tmp_path, volumes):
    source = nib.Nifti1Image(np.ones((8, 9, 10, *volumes), np.float32), AFFINE).header
    for name, value in KEPT.items():
        source[name] = value
    source.set_xyzt_units("mm", "msec")
    source["pixdim"][4] = 2200 if volumes else 1
    source["slice_code"], source["slice_duration"] = 3, 0.1
    nifti.save(tmp_path / "a.nii.gz", np.ones((4, 5, 6, *volumes), np.int16), OTHER, source=source)
    found = nib.load(tmp_path / "a.nii.gz")
    header = found.header
    for name, value in KEPT.items():
        assert header[name].item() == value, name
    assert header.get_xyzt_units() == ("mm", "msec")
    assert np.allclose(header.get_zooms(), (1, 1.2, 0.9, *(2200 for _ in volumes)))
    assert header["slice_code"] == 0, "slices were mixed"
    assert header["slice_duration"] == 0, "slices were mixed"
    assert np.allclose(found.affine, OTHER, atol=1e-5)
    assert found.get_data_dtype() == np.int16


@pytest.mark.parametrize(("unit", "size"), [("micron", 1e-3), ("meter", 1e3), (None, 1.0)])
@pytest.mark.parametrize("form", ["sform", "qform", "qform for a sform of zeros"])
def test_lengths_are_in_the_unit_of_the_header(tmp_path, form, unit, size):
    """As ITK reads them."""
    affine = np.diag([-1.2 / size, 1.5 / size, 2.0 / size, 1])
    affine[:3, 3] = 30 / size, -20 / size, 7 / size
    file = nib.Nifti1Image(np.ones((5, 6, 7), np.float32), affine)
    file.header.set_xyzt_units(unit)
    file.header.set_qform(affine, 1)
    file.header.set_sform(affine, 1 if form == "sform" else 0)
    if "zeros" in form:
        file.header["sform_code"] = 1
        file.header["srow_x"] = file.header["srow_y"] = file.header["srow_z"] = 0
    file.to_filename(tmp_path / "a.nii.gz")
    found = nifti.read(tmp_path / "a.nii.gz").affine
    expected = affine.copy()
    expected[:3] *= size
    assert np.allclose(found, expected, atol=1e-4)
    assert np.allclose(nifti.load_grid(tmp_path / "a.nii.gz")[1], expected, atol=1e-4)
    itk = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert np.allclose(itk.GetSpacing(), (1.2, 1.5, 2.0), atol=1e-5)


VALUES = np.arange(1, 121, dtype=np.float32).reshape(4, 5, 6)


@pytest.mark.parametrize("name", ["image.mgh", "image.mgz"])
def test_images_of_freesurfer(tmp_path, name):
    nib.save(nib.MGHImage(VALUES, AFFINE), tmp_path / name)
    found = read_image(tmp_path / name)
    assert np.array_equal(found.data, VALUES)
    assert np.allclose(found.affine, AFFINE, atol=1e-4)
    assert read_grid(tmp_path / name).matches(found.grid)
    assert find_doubt(tmp_path / name) is None


def test_an_analyze_image_does_not_tell_left_from_right(tmp_path):
    file = nib.AnalyzeImage(VALUES, np.diag([-1.0, 2, 3, 1]))
    file.header.default_x_flip = True
    nib.save(file, tmp_path / "image.img")
    found = read_image(tmp_path / "image.hdr")
    assert np.array_equal(found.data, VALUES)
    assert np.allclose(found.affine[:3, :3], np.diag([-1, 2, 3]))
    assert "left from right" in find_doubt(tmp_path / "image.img")


def test_the_matrix_of_spm_beside_an_analyze_image(tmp_path):
    nib.save(nib.Spm2AnalyzeImage(VALUES, AFFINE), tmp_path / "image.img")
    assert np.allclose(read_image(tmp_path / "image.img").affine, AFFINE, atol=1e-4)
    assert find_doubt(tmp_path / "image.img") is None
    (tmp_path / "image.mat").write_bytes(bytes(1 << 17))
    with pytest.raises(QuicksilverError, match="131072 bytes beside it"):
        read_image(tmp_path / "image.img")
