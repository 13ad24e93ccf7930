"""Images in files: read in any orientation, refused when damaged, written whole or not at all."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.images.resampling import make_working_grid, resample
from quicksilver.io.images import read_image, read_series, write_image
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAL", "ALI"])
def test_the_orientation_of_the_file_does_not_matter(tmp_path, axes):
    image = make_brain(0, affine=make_affine((3, 4, 5), (1, 1.2, 1.5), origin=(-20, -30, 10)))
    file = nib.Nifti1Image(image.data, image.affine)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(file.affine), nib.orientations.axcodes2ornt(axes)
    )
    nib.save(file.as_reoriented(turn), tmp_path / "turned.nii.gz")
    turned = read_image(tmp_path / "turned.nii.gz")
    assert nib.aff2axcodes(turned.affine) == tuple(axes)
    grid = make_working_grid(turned, turned, 2.0)
    expected = make_working_grid(image, image, 2.0)
    assert grid.matches(expected)
    torch.testing.assert_close(resample(turned, grid), resample(image, grid), rtol=0, atol=2e-3)


def test_writing_keeps_affine_and_type(tmp_path, brains):
    for data in (brains[0].data, brains[0].data.astype(np.uint16)):
        write_image(tmp_path / "image.nii.gz", data, brains[0].affine)
        file = nib.load(tmp_path / "image.nii.gz")
        assert file.get_data_dtype() == data.dtype
        assert np.allclose(file.affine, brains[0].affine, atol=1e-5)
        assert np.array_equal(np.asarray(file.dataobj), data)
    assert [path.name for path in tmp_path.iterdir()] == ["image.nii.gz"]


def test_scaled_integers_and_a_trailing_axis_are_read(tmp_path):
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5, 1)
    file = nib.Nifti1Image(values, np.eye(4))
    file.header.set_slope_inter(0.5, 2)
    nib.save(file, tmp_path / "scaled.nii")
    stored = np.asarray(nib.load(tmp_path / "scaled.nii").dataobj)[..., 0]
    image = read_image(tmp_path / "scaled.nii")
    assert image.data.dtype == np.float32
    assert image.data.shape == (3, 4, 5)
    assert np.array_equal(image.data, stored)


def test_a_foreign_byte_order_is_read(tmp_path):
    values = np.arange(60, dtype=">i2").reshape(3, 4, 5)
    header = nib.Nifti1Image(values, np.eye(4)).header.as_byteswapped(">")
    nib.save(nib.Nifti1Image(values, np.eye(4), header), tmp_path / "labels.nii")
    assert np.asarray(nib.load(tmp_path / "labels.nii").dataobj).dtype == ">i2"
    image = read_image(tmp_path / "labels.nii", labels=True)
    assert torch.equal(torch.from_numpy(image.data), torch.arange(60).short().reshape(3, 4, 5))


def test_labels_may_be_stored_as_floats_but_not_as_fractions(tmp_path):
    labels = np.arange(8.0, dtype=np.float32).reshape(2, 2, 2)
    for name, data in (("whole", labels), ("broken", labels + 0.25)):
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii")
    assert read_image(tmp_path / "whole.nii", labels=True).data.dtype == np.int32
    with pytest.raises(QuicksilverError, match="integer labels"):
        read_image(tmp_path / "broken.nii", labels=True)


def damaged_files(folder):
    """Every kind of file that is no usable image, and what its error must speak of."""
    good = make_brain(0)
    holed = good.data.copy()
    holed[3, 4, 5] = np.nan
    four = np.ones((4, 5, 6, 7), np.float32)
    (folder / "text.nii.gz").write_text("this is no image")
    (folder / "folder.nii").mkdir()
    write_nifti(folder / "good.nii.gz", good)
    (folder / "half.nii.gz").write_bytes((folder / "good.nii.gz").read_bytes()[:4000])
    raw = gzip.decompress((folder / "good.nii.gz").read_bytes())
    (folder / "short.nii").write_bytes(raw[: len(raw) // 2])
    nib.save(nib.MGHImage(good.data, good.affine), folder / "whole.mgz")
    (folder / "half.mgz").write_bytes((folder / "whole.mgz").read_bytes()[:4000])
    write_nifti(folder / "nan.nii.gz", Image(holed, good.affine))
    write_nifti(folder / "inf.nii.gz", Image(holed * 0 + np.inf, good.affine))
    write_nifti(folder / "empty.nii.gz", Image(good.data * 0, good.affine))
    write_nifti(folder / "four.nii.gz", Image(four, good.affine))
    write_nifti(folder / "two.nii.gz", Image(four[0, 0], good.affine))
    write_nifti(folder / "complex.nii.gz", Image(good.data.astype(np.complex64), good.affine))
    third_row_of_sform = slice(312, 328)
    flat = bytearray(raw)
    flat[third_row_of_sform] = bytes(16)
    (folder / "flat.nii").write_bytes(flat)
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.nii.gz", "no such file"),
        ("text.nii.gz", "NIfTI"),
        ("folder.nii", "found a folder"),
        ("half.nii.gz", "NIfTI"),
        ("short.nii", "NIfTI"),
        ("half.mgz", "FreeSurfer"),
        ("nan.nii.gz", "1 voxels with NaN"),
        ("inf.nii.gz", "infinity"),
        ("empty.nii.gz", "zeros"),
        ("four.nii.gz", "3-D"),
        ("two.nii.gz", "3-D"),
        ("complex.nii.gz", "complex64"),
        ("flat.nii", "invertible affine"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, name, words):
    folder = damaged_files(tmp_path)
    with pytest.raises(QuicksilverError) as caught:
        read_image(folder / name)
    sentence = str(caught.value)
    assert words in sentence
    assert name in sentence
    assert "expected" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["image.txt", "absent/image.nii.gz", "file/image.nii"])
def test_unwritable_places_are_refused(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(QuicksilverError, match=r"expected .* found"):
        write_image(tmp_path / name, np.ones((2, 2, 2), np.float32), np.eye(4))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "image.nii"
    write_image(path, np.ones((2, 2, 2), np.float32), np.eye(4))
    before = path.read_bytes()

    def fail(image, place):
        place.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fail)
    with pytest.raises(QuicksilverError, match="No space left"):
        write_image(path, np.zeros((2, 2, 2), np.float32), np.eye(4))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_nan_around_what_was_imaged_is_outside(tmp_path):
    image = make_brain(0)
    data = np.where(image.data > 0, image.data, np.nan)
    write_nifti(tmp_path / "nan.nii.gz", Image(data, image.affine))
    assert np.array_equal(read_image(tmp_path / "nan.nii.gz").data, image.data)
    found = read_image(tmp_path / "nan.nii.gz", outside=-1024.0).data
    assert np.array_equal(found, np.where(image.data > 0, image.data, -1024))
    labels = np.where(image.data > 0, 3.0, np.nan).astype(np.float32)
    write_nifti(tmp_path / "labels.nii.gz", Image(labels, image.affine))
    found = read_image(tmp_path / "labels.nii.gz", labels=True).data
    assert np.array_equal(found, 3 * (image.data > 0))
    labels[20, 22, 18] = np.nan
    write_nifti(tmp_path / "labels.nii.gz", Image(labels, image.affine))
    with pytest.raises(QuicksilverError, match="found 1 voxels with NaN"):
        read_image(tmp_path / "labels.nii.gz", labels=True)


def test_further_axes_of_length_one_are_dropped(tmp_path):
    for shape in ((4, 5, 6, 1), (4, 5, 6, 1, 1), (4, 5, 6, 1, 1, 1)):
        nib.save(nib.Nifti1Image(np.ones(shape, np.float32), np.eye(4)), tmp_path / "a.nii")
        assert read_image(tmp_path / "a.nii").data.shape == (4, 5, 6)
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6, 3, 1), np.float32), np.eye(4)), tmp_path / "b.nii")
    assert read_series(tmp_path / "b.nii")[0].shape == (4, 5, 6, 3)


def test_large_labels_stored_as_floats_keep_their_numbers(tmp_path):
    labels = np.array([0, 2**31 + 7, 2**40, 12], float).reshape(2, 2, 1).repeat(2, axis=2)
    write_nifti(tmp_path / "a.nii", Image(labels, np.eye(4)))
    found = read_image(tmp_path / "a.nii", labels=True).data
    assert found.dtype == np.int64
    assert np.array_equal(found, labels)
    write_nifti(tmp_path / "b.nii", Image(labels * 1e10, np.eye(4)))
    with pytest.raises(QuicksilverError, match="labels of at most 64 bits"):
        read_image(tmp_path / "b.nii", labels=True)
