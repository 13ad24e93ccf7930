from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

import quicksilver_ext as qs
from quicksilver.images.image import Image
from quicksilver.io.affines import write_affine
from quicksilver.io.images import read_image
from quicksilver.io.results import load_registration
from quicksilver.io.transforms import read_chain
from tests.quicksilver.phantoms import make_affine, write_nifti

AFFINE = make_affine((6, -4, 3), (1.05, 0.95, 1.02), origin=(1.5, -2, 1))


def test_a_list_of_transforms_is_one_interpolation(out, brain_files, tmp_path, command):
    write_affine(tmp_path / "affine.mat", AFFINE)
    words = ("apply", "--transform", out, "--transform", tmp_path / "affine.mat", brain_files[0])
    assert command(*words, "-o", tmp_path / "moved.nii.gz")[0] == 0
    source = read_image(brain_files[0])
    chain = read_chain([str(out), str(tmp_path / "affine.mat")])
    target = read_image(brain_files[1]).grid
    expected = chain.onto(target).warp(source)
    moved = read_image(tmp_path / "moved.nii.gz")
    assert moved.grid.matches(target)
    assert np.allclose(moved.data, expected.data, atol=1e-3)
    # The whole list the other way brings it home.
    back = ("apply", *words[1:5], tmp_path / "moved.nii.gz", "--inverse")
    assert command(*back, "-o", tmp_path / "back.nii.gz", "--reference", brain_files[0])[0] == 0
    core = (slice(10, -10),) * 3
    home = read_image(tmp_path / "back.nii.gz").data[core]
    assert np.corrcoef(home.ravel(), source.data[core].ravel())[0, 1] > 0.9


def test_an_affine_alone_needs_a_reference(brain_files, tmp_path, command):
    write_affine(tmp_path / "affine.mat", np.eye(4))
    words = ("apply", "--transform", tmp_path / "affine.mat", brain_files[0])
    code, _, error = command(*words, "-o", tmp_path / "moved.nii.gz")
    assert code == 2
    assert "--reference" in error
    words = (*words, "-o", tmp_path / "moved.nii.gz", "--reference", brain_files[0])
    assert command(*words)[0] == 0
    assert np.allclose(*(read_image(p).data for p in (words[3], words[5])), atol=1e-3)


def test_a_matrix_of_fsl_by_the_two_images(brain_files, tmp_path, command):
    np.savetxt(tmp_path / "fsl.mat", np.eye(4))
    words = ("apply", "--transform", tmp_path / "fsl.mat", brain_files[0], "--reference")
    assert command(*words, brain_files[0], "-o", tmp_path / "moved.nii.gz")[0] == 0
    moved, source = (read_image(p).data for p in (tmp_path / "moved.nii.gz", brain_files[0]))
    assert np.allclose(moved, source, atol=1e-3)


def test_an_image_of_another_format(out, brain_files, tmp_path, command):
    sitk.WriteImage(sitk.ReadImage(str(brain_files[0])), str(tmp_path / "brain.nrrd"))
    for name, source in (("a", brain_files[0]), ("b", tmp_path / "brain.nrrd")):
        assert command("apply", out, source, "-o", tmp_path / f"{name}.nii")[0] == 0
    a, b = (read_image(tmp_path / f"{name}.nii").data for name in "ab")
    assert np.abs(a - b).max() < 1e-3 * a.max()


def test_a_series_is_every_volume(out, brains, tmp_path, command):
    volumes = np.stack([brains[0].data, brains[0].data[::-1], 2 * brains[0].data], axis=-1)
    nib.save(nib.Nifti1Image(volumes, brains[0].affine), tmp_path / "series.nii.gz")
    code, *_ = command("apply", out, tmp_path / "series.nii.gz", "-o", tmp_path / "moved.nii")
    moved = nib.load(tmp_path / "moved.nii").get_fdata(dtype=np.float32)
    assert code == 0
    assert moved.shape == (*brains[1].data.shape, 3)
    field = load_registration(out).displacement
    lying = nib.load(tmp_path / "series.nii.gz").affine  # a header rounds it to float32
    for number in range(3):
        one = field.warp(Image(volumes[..., number].copy(), lying)).data
        assert np.allclose(moved[..., number], one, atol=1e-3)


@pytest.mark.parametrize("option", ["--labels", "--majority"])
def test_labels_keep_their_numbers(out, brains, option, tmp_path, command):
    labels = np.where(brains[0].data > 0, 2000 + (brains[0].data > 100), 0).astype(np.uint16)
    image = write_nifti(tmp_path / "labels.nii.gz", Image(labels, brains[0].affine))
    assert command("apply", out, image, "-o", tmp_path / "moved.nii.gz", option)[0] == 0
    moved = nib.load(tmp_path / "moved.nii.gz")
    assert moved.get_data_dtype() == np.uint16
    field = load_registration(out).displacement
    mode = {"--labels": "nearest", "--majority": "majority"}[option]
    expected = field.warp(Image(labels, brains[0].affine), mode).data
    assert np.array_equal(np.asarray(moved.dataobj), expected)
    other = field.warp(
        Image(labels, brains[0].affine), {"nearest": "majority"}.get(mode, "nearest")
    )
    assert (expected != other.data).any()


def test_jacobian_is_that_of_the_map(out, tmp_path, command):
    code, shown, _ = command("jacobian", out, "-o", tmp_path / "det.nii.gz")
    found = nib.load(tmp_path / "det.nii.gz").get_fdata()
    field = load_registration(out).displacement
    expected = qs.jacobian_determinant(field.in_voxels())[0, 0].numpy()
    assert code == 0
    assert "0 folded voxels" in shown
    assert np.allclose(found, expected, atol=1e-5)
    words = ("jacobian", out / "displacement.nii.gz", "-o", tmp_path / "log.nii.gz", "--log")
    assert command(*words)[0] == 0
    assert np.allclose(nib.load(tmp_path / "log.nii.gz").get_fdata(), np.log(found), atol=1e-4)
    assert command("jacobian", out, "-o", tmp_path / "inverse.nii.gz", "--inverse")[0] == 0
    back = nib.load(tmp_path / "inverse.nii.gz")
    assert np.allclose(back.affine, load_registration(out).inverse.grid.affine, atol=1e-4)


def test_jacobian_of_ants(out, tmp_path, command):
    ants = pytest.importorskip("ants")
    assert command("jacobian", out, "-o", tmp_path / "det.nii.gz")[0] == 0
    ours = ants.image_read(str(tmp_path / "det.nii.gz")).numpy()
    domain = ants.image_read(str(out / "warped.nii.gz"))
    field = str(out / "displacement.nii.gz")
    theirs = ants.create_jacobian_determinant_image(domain, field).numpy()
    inner = (slice(2, -2),) * 3
    assert np.abs(ours - theirs)[inner].max() < 0.02 < np.ptp(ours[inner])


def test_a_series_keeps_its_time(out, brains, tmp_path, command):
    volumes = np.stack([brains[0].data] * 3, axis=-1)
    file = nib.Nifti1Image(volumes, brains[0].affine)
    file.header.set_xyzt_units("mm", "sec")
    file.header.set_zooms((*file.header.get_zooms()[:3], 2.2))
    file.header["descrip"] = b"BOLD"
    nib.save(file, tmp_path / "series.nii.gz")
    assert command("apply", out, tmp_path / "series.nii.gz", "-o", tmp_path / "moved.nii")[0] == 0
    header = nib.load(tmp_path / "moved.nii").header
    assert header.get_zooms()[3] == pytest.approx(2.2)
    assert header.get_xyzt_units() == ("mm", "sec")
    assert header["descrip"].item() == b"BOLD"


def test_both_jacobians_are_one(out, tmp_path, command):
    assert command("jacobian", out, "-o", tmp_path / "det.nii.gz")[0] == 0
    one, other = (
        nib.load(path).get_fdata() for path in (out / "jacobian.nii.gz", tmp_path / "det.nii.gz")
    )
    # To the rounding of the affine in the header.
    assert np.allclose(one, other, atol=1e-5)
    assert np.ptp(one) > 0.05


def test_what_lies_outside_has_the_value_that_is_given(out, brains, tmp_path, command):
    data = np.where(brains[0].data > 0, brains[0].data, np.nan)
    path = write_nifti(tmp_path / "ct.nii.gz", Image(data, brains[0].affine))
    assert command("apply", out, path, "-o", tmp_path / "a.nii", "--fill", -1024)[0] == 0
    found = nib.load(tmp_path / "a.nii").get_fdata(dtype=np.float32)
    full = np.where(brains[0].data > 0, brains[0].data, -1024).astype(np.float32)
    warped = load_registration(out).displacement.warp(Image(full + 1024, brains[0].affine)).data
    assert found.min() == -1024
    assert np.allclose(found, warped - 1024, atol=1e-2)
    for words in (("--labels",), ("--fill", "nan")):
        words = ("apply", out, path, "-o", tmp_path / "b.nii", "--fill", -1024, *words)
        assert command(*words)[0] == 2


@pytest.mark.parametrize("option", [(), ("--labels",), ("--majority",)])
def test_an_image_of_nothing_is_warped_with_a_note(out, brains, option, tmp_path, command):
    empty = Image(np.zeros(brains[0].data.shape, np.uint8), brains[0].affine)
    path = write_nifti(tmp_path / "lesions.nii.gz", empty)
    code, shown, _ = command("apply", out, path, "-o", tmp_path / "moved.nii.gz", *option)
    moved = nib.load(tmp_path / "moved.nii.gz")
    assert code == 0
    assert "note: " in shown
    assert not moved.get_fdata().any()
    assert str(tmp_path / "moved.nii.gz") in shown.replace("\n", "")


def test_a_label_that_vanishes_is_noted(out, brains, tmp_path, command):
    labels = (brains[0].data > 0).astype(np.uint8)
    labels[20, 21, 17] = 77
    path = write_nifti(tmp_path / "labels.nii.gz", Image(labels, brains[0].affine))
    coarse = write_nifti(
        tmp_path / "coarse.nii.gz",
        Image(np.ones((6, 6, 6), np.float32), brains[1].affine @ np.diag([6.0, 6, 6, 1])),
    )
    words = ("apply", out, path, "-o", tmp_path / "moved.nii.gz", "--labels", "--reference", coarse)
    code, shown, _ = command(*words)
    assert code == 0
    assert "no voxel is left of the labels 77" in shown


@pytest.mark.parametrize("name", ["displacement.nii.gz", "warped.nii.gz", "result.json"])
def test_no_input_is_overwritten(name, out, brain_files, tmp_path, command):
    before = {path: path.read_bytes() for path in (*out.iterdir(), *brain_files)}
    (tmp_path / "link.nii.gz").symlink_to(brain_files[0])
    for words in (
        ("apply", out, brain_files[0], "-o", out / name),
        ("apply", out, brain_files[0], "-o", brain_files[0]),
        ("apply", out, tmp_path / "link.nii.gz", "-o", brain_files[0]),
        ("apply", out, brain_files[0], "--reference", brain_files[1], "-o", brain_files[1]),
        ("apply", "--transform", f"[{out},1]", brain_files[0], "-o", out / name),
        ("jacobian", out, "-o", out / name),
        ("jacobian", out / "displacement.nii.gz", "-o", out / "displacement.nii.gz"),
    ):
        code, shown, error = command(*words)
        assert code == 2
        assert not shown
        assert "expected an output" in error
    labels = ("--moving-labels", brain_files[0], "--target-labels", brain_files[1])
    for place in (out / name, *brain_files):
        code, _, error = command("evaluate", out, *labels, "--json", place)
        assert code == 2
        assert "none of the inputs" in error
    assert {path: path.read_bytes() for path in before} == before


def test_ants_differs_from_our_jacobian_by_the_order_of_its_differences(out, tmp_path):
    ants = pytest.importorskip("ants")
    field = load_registration(out).displacement
    u = field.vectors[0].double().numpy()

    def differ(values: np.ndarray, axis: int) -> np.ndarray:
        near, far = (np.roll(values, -n, axis) - np.roll(values, n, axis) for n in (1, 2))
        return (8 * near - far) / 12

    gradient = np.array([[differ(component, axis) for axis in range(3)] for component in u])
    inverse = np.linalg.inv(field.grid.affine[:3, :3])
    fourth = np.linalg.det(np.einsum("caxyz,ab->xyzcb", gradient, inverse) + np.eye(3))
    domain = ants.image_read(str(out / "warped.nii.gz"))
    path = str(out / "displacement.nii.gz")
    theirs = ants.create_jacobian_determinant_image(domain, path).numpy()
    inner = (slice(3, -3),) * 3
    assert np.abs(fourth - theirs)[inner].max() < 1e-5
    assert np.abs(field.determinant()[0, 0].numpy() - theirs)[inner].max() > 1e-4


def test_the_map_alone_for_another_program(out, brain_files, tmp_path, command):
    saved = load_registration(out)
    for extra, field in (([], saved.displacement), (["--inverse"], saved.inverse)):
        words = ("apply", out, *extra, "--out-format", "spm", "-o", tmp_path / "y_map.nii")
        assert command(*words)[0] == 0
        positions = nib.load(tmp_path / "y_map.nii").get_fdata()[:, :, :, 0]
        moved = field.grid.positions() + field.vectors[0].permute(1, 2, 3, 0).numpy()
        assert np.allclose(positions, moved, atol=1e-3)
    words = ("apply", "--transform", out / "displacement.nii.gz", "--out-format", "fsl")
    code, _, error = command(*words, "-o", tmp_path / "warp.nii.gz")
    assert (code, "moving image" in error) == (2, True)
    assert command(*words, brain_files[0], "-o", tmp_path / "warp.nii.gz")[0] == 0
    warp = ("apply", "--transform", f"fsl-rel:{tmp_path}/warp.nii.gz", brain_files[0])
    for name, line in (("a", warp), ("b", ("apply", out, brain_files[0]))):
        assert command(*line, "-o", tmp_path / f"{name}.nii")[0] == 0
    a, b = (read_image(tmp_path / f"{name}.nii").data for name in "ab")
    assert np.abs(a - b).max() < 1e-3 * b.max()
    code, _, error = command(*words[:-1], "elastix", "-o", tmp_path / "other.nii.gz")
    assert (code, "expected a format" in error) == (2, True)
    assert not (tmp_path / "other.nii.gz").exists()
