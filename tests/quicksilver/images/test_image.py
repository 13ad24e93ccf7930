from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import (
    MARGIN,
    Grid,
    Image,
    affine_displacement,
    brain_box,
    normalise,
    read_image,
    resample,
    working_grid,
    write_image,
)
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti


def voxels_in(grid: Grid, image: Image) -> np.ndarray:
    """Coordinates of the image's non-zero voxels in voxels of the grid."""
    world = np.argwhere(image.data != 0) @ image.affine[:3, :3].T + image.affine[:3, 3]
    return (world - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T


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
    grid = working_grid(turned, turned, 2.0)
    expected = working_grid(image, image, 2.0)
    assert grid.matches(expected)
    torch.testing.assert_close(resample(turned, grid), resample(image, grid), rtol=0, atol=2e-3)


@pytest.mark.parametrize("spacing", [1.5, 2.0])
def test_the_working_grid_holds_both_brains_with_its_margin(brains, spacing):
    grid = working_grid(*brains, spacing)
    assert np.allclose(grid.affine[:3, :3], spacing * np.eye(3))
    voxels = np.concatenate([voxels_in(grid, image) for image in brains])
    below, above = voxels.min(axis=0), np.array(grid.shape) - 1 - voxels.max(axis=0)
    assert below.min() >= MARGIN - 1e-6 and above.min() >= MARGIN - 1e-6
    assert np.allclose(below, above, atol=1e-6), "the box is not centred"
    assert below.max() < MARGIN + 1, "larger than it needs to be"


def test_the_brain_box_is_that_of_the_voxels(brains):
    low, high = brain_box(*brains)
    world = np.concatenate([voxels_in(Grid((1, 1, 1), np.eye(4)), image) for image in brains])
    assert np.allclose(low, world.min(axis=0)) and np.allclose(high, world.max(axis=0))


def test_images_of_different_worlds_are_refused():
    near, far = (
        make_brain(0),
        make_brain(0, affine=make_affine((0, 0, 0), (1, 1, 1), origin=(99, 0, 0))),
    )
    with pytest.raises(QuicksilverError, match="overlap"):
        working_grid(near, far, 2.0)


def test_a_wrong_unit_is_refused():
    huge = make_brain(0, affine=make_affine((0, 0, 0), (1000, 1000, 1000)))
    with pytest.raises(QuicksilverError, match="1024"):
        working_grid(huge, huge, 2.0)


def test_resampling_onto_the_own_grid_changes_nothing(brains):
    for image in brains:
        assert np.array_equal(resample(image, image.grid)[0, 0].numpy(), image.data)


def test_a_linear_function_of_the_world_stays_one():
    affine = make_affine((20, -10, 40), (1, 1.3, 0.8), (1, -1, 1), (5, 6, 7))
    slopes = np.array([0.3, -0.7, 1.1])
    ijk = np.moveaxis(np.indices((30, 28, 32)), 0, -1)
    image = Image(((ijk @ affine[:3, :3].T + affine[:3, 3]) @ slopes).astype(np.float32), affine)
    centre = affine[:3, :3] @ [15, 14, 16] + affine[:3, 3]
    grid = Grid((6, 7, 5), make_affine((1, 2, 3), (1, 1, 1), origin=centre - 3))
    points = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    assert np.allclose(resample(image, grid)[0, 0], points @ slopes, atol=1e-3)


def test_outside_of_the_image_is_zero():
    image = Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    grid = Grid((8, 8, 8), make_affine((0, 0, 0), (1, 1, 1), origin=(20, 0, 0)))
    assert not resample(image, grid).any()


def test_coarser_grids_do_not_alias():
    board = 1 + (-1.0) ** np.indices((24, 24, 24)).sum(axis=0)
    image = Image(board.astype(np.float32), np.eye(4))
    grid = Grid((5, 5, 5), make_affine((0, 0, 0), (4, 4, 4), origin=(4, 4, 4)))
    assert np.allclose(resample(image, grid), 1, atol=0.02), "every fourth voxel would be 2"


def test_a_finer_grid_is_not_smoothed():
    image = make_brain(3)
    grid = Grid((60, 60, 60), make_affine((0, 0, 0), (0.5, 0.5, 0.5), origin=(4, 4, 4)))
    fine = resample(image, grid)[0, 0].numpy()
    assert np.array_equal(fine[::2, ::2, ::2], image.data[4:34, 4:34, 4:34])


def test_labels_keep_their_values_and_type():
    labels = Image(np.random.default_rng(0).integers(0, 3000, (12, 12, 12), np.int16), np.eye(4))
    grid = Grid((20, 20, 20), make_affine((9, 0, 5), (0.5, 0.6, 0.5), origin=(1, 1, 1)))
    moved = resample(labels, grid, "nearest").numpy()
    assert moved.dtype == np.int16 and set(np.unique(moved)) <= set(np.unique(labels.data)) | {0}


def test_affine_displacement_is_the_affine_map():
    matrix = make_affine((10, 20, 30), (1, 2, 3), origin=(4, 5, 6))
    field = affine_displacement(matrix, (3, 4, 5))[0].numpy()
    index = np.array([2, 1, 4])
    expected = matrix[:3, :3] @ index + matrix[:3, 3]
    assert np.allclose(index + field[:, 2, 1, 4], expected, atol=1e-5)


def test_normalise():
    data = torch.cat([torch.zeros(5000), torch.linspace(1, 1000, 1000), torch.tensor([1e6])])
    scaled = normalise(data)
    assert scaled[:5000].eq(0).all() and scaled.max() == 1.2
    assert torch.isclose(scaled[5000 + 989], torch.tensor(1.0), atol=2e-3)
    with pytest.raises(QuicksilverError, match="positive"):
        normalise(-data)


def test_normalise_by_the_maximum():
    data = torch.tensor([0.0, 1.0, 3.0, 7.0])
    assert torch.equal(normalise(data, "maximum"), data / 7)
    with pytest.raises(QuicksilverError, match="maximum -1"):
        normalise(-data, "maximum")


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
    assert image.data.dtype == np.float32 and image.data.shape == (3, 4, 5)
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
    nib.save(nib.MGHImage(good.data, good.affine), folder / "other.mgz")
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
        ("other.mgz", "MGHImage"),
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
    assert words in sentence and name in sentence and "expected" in sentence
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
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
