"""Slices through every command, judged with SimpleITK."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from tests.quicksilver.processes import OUTPUTS, assert_refused, quicksilver_process
from tests.quicksilver.slices import (
    SIZE,
    draw,
    make_map,
    make_slice,
    measure_error,
    read_array,
    write_picture,
)

PLACES = make_map()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two slices, their labels, and what the command makes of them, both ways."""
    folder = tmp_path_factory.mktemp("slices")
    target, index = make_slice(), np.indices((SIZE, SIZE)) // 16
    labels = (index.sum(0) % 5 + 1) * (target > 40)
    for name, pixels, order in (("", target, 1), ("_labels", labels, 0)):
        write_picture(folder / f"target{name}.png", pixels)
        write_picture(folder / f"moving{name}.png", draw(pixels, PLACES, order))
    for words in (("moving.png", "target.png", "out"), ("target.png", "moving.png", "back")):
        moving, fixed, out = (folder / word for word in words)
        ended = quicksilver_process("register", moving, fixed, "-o", out)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("there is no network for slices") == 1
    return folder


def test_a_known_map_is_found(study):
    moving = read_array(study / "moving.png")
    inside = (moving > 40) & (PLACES.min(0) >= 0) & (PLACES.max(0) <= SIZE - 1)
    still = np.zeros((2, SIZE, SIZE))
    assert np.median(measure_error(still, PLACES, inside)) > 8
    error = measure_error(read_array(study / "out" / "displacement.nii.gz"), PLACES, inside)
    assert np.median(error) < 0.3
    assert np.percentile(error, 90) < 1.0
    affine = sitk.ReadTransform(str(study / "out" / "affine.mat"))
    assert affine.GetDimension() == 2
    matrix, shift = np.reshape(affine.GetParameters()[:4], (2, 2)), affine.GetParameters()[4:]
    grid = np.indices((SIZE, SIZE))
    by_affine = np.einsum("ij,jxy->ixy", matrix, grid) + np.reshape(shift, (2, 1, 1)) - grid
    assert np.median(error) < 0.25 * np.median(measure_error(by_affine, PLACES, inside))


def test_swapped_images_give_nearly_the_inverse(study):
    there, back = (read_array(study / out / "displacement.nii.gz") for out in ("out", "back"))
    places = np.indices((SIZE, SIZE)) + there
    home = measure_error(back, places, read_array(study / "target.png") > 40)
    assert np.median(home) < 0.5
    inverse = read_array(study / "out" / "inverse_displacement.nii.gz")
    exact = measure_error(inverse, places, read_array(study / "target.png") > 40)
    assert np.percentile(exact, 99) < 0.2


def test_simpleitk_warps_to_our_image(study):
    field = sitk.ReadImage(str(study / "out" / "displacement.nii.gz"), sitk.sitkVectorFloat64)
    moving, target = (
        sitk.ReadImage(str(study / f"{name}.png"), sitk.sitkFloat32)
        for name in ("moving", "target")
    )
    transform = sitk.DisplacementFieldTransform(field)
    theirs = sitk.GetArrayFromImage(sitk.Resample(moving, target, transform)).T
    ours = read_array(study / "out" / "warped.nii.gz")
    # At the edge of the picture ITK extends it by half a pixel.
    edge = np.abs(PLACES - (SIZE - 1) / 2).max(0) > (SIZE - 1) / 2 - 3
    assert np.abs(ours - theirs)[~edge].max() < 0.01
    assert np.corrcoef(ours.ravel(), read_array(study / "target.png").ravel())[0, 1] > 0.99


def test_what_is_written(study):
    assert {path.name for path in (study / "out").iterdir()} == OUTPUTS
    for name in ("warped", "jacobian"):
        assert read_array(study / "out" / f"{name}.nii.gz").shape == (SIZE, SIZE)
    summary = json.loads((study / "out" / "result.json").read_text(encoding="utf-8"))
    assert summary["method"] == "lddmm"
    assert "model" not in summary
    assert summary["settings"]["levels"] == [4, 2, 1]
    assert summary["verdict"]["level"] == "good"
    page = (study / "out" / "report.html").read_text(encoding="utf-8")
    assert '"shape": [' in page


def test_labels_and_pictures(study, tmp_path, command):
    out = study / "out"
    labels = [study / "moving_labels.png", study / "target_labels.png"]
    warped = tmp_path / "labels.png"
    assert command("apply", out, labels[0], "-o", warped, "--labels")[0] == 0
    target = read_array(labels[1])
    assert (read_array(warped) == target)[target > 0].mean() > 0.9
    words = ("--moving-labels", labels[0], "--target-labels", labels[1], "--json")
    assert command("evaluate", out, *words, tmp_path / "scores.json")[0] == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["before"]["dice"] < 0.6
    assert scores["after"]["dice"] > 0.93
    assert scores["after"]["hd95_mm"] < 2
    assert scores["map"]["folded_voxels"] == 0
    assert command("apply", out, study / "moving.png", "-o", tmp_path / "a.tif")[0] == 0
    difference = read_array(tmp_path / "a.tif") - read_array(out / "warped.nii.gz")
    assert np.abs(difference).max() <= 0.5
    words = ("apply", out, study / "target.png", "--inverse", "-o", tmp_path / "b.png")
    assert command(*words)[0] == 0
    moving = read_array(study / "moving.png")
    assert np.corrcoef(read_array(tmp_path / "b.png").ravel(), moving.ravel())[0, 1] > 0.98


def test_points_in_pixels(study, tmp_path, command):
    field = read_array(study / "out" / "displacement.nii.gz")
    index = np.array([[60, 70], [80, 90], [100, 60]])
    moving = index + field[:, index[:, 0], index[:, 1]].T
    rows = "".join(f"{x:.6f},{y:.6f},here\n" for x, y in moving)
    (tmp_path / "points.csv").write_text("x,y,name\n" + rows)
    words = ("apply", study / "out", tmp_path / "points.csv", "--lps", "-o", tmp_path / "out.csv")
    assert command(*words)[0] == 0
    found = np.genfromtxt(tmp_path / "out.csv", delimiter=",", skip_header=1)[:, :2]
    assert np.allclose(found, index, atol=0.02)
    (tmp_path / "points.csv").write_text("x,y,z\n1,2,3\n")
    assert_refused(command, words, tmp_path)


def test_the_jacobian_and_the_map_for_itk(study, tmp_path, command):
    assert command("jacobian", study / "out", "-o", tmp_path / "j.nii.gz")[0] == 0
    assert np.allclose(
        read_array(tmp_path / "j.nii.gz"), read_array(study / "out" / "jacobian.nii.gz"), atol=1e-5
    )
    places = read_array(study / "out" / "displacement.nii.gz") + np.indices((SIZE, SIZE))
    (a, b), (c, d) = (np.gradient(part) for part in places)
    inner = (slice(2, -2),) * 2
    expected = (a * d - b * c)[inner]
    assert np.allclose(read_array(tmp_path / "j.nii.gz")[inner], expected, atol=1e-3)
    words = ("apply", study / "out", "--out-format", "itk-h5", "-o", tmp_path / "map.h5")
    assert command(*words)[0] == 0
    points = [(50.0, 60.0), (100.0, 70.0)]
    transform = sitk.ReadTransform(str(tmp_path / "map.h5"))
    for x, y in points:
        at = transform.TransformPoint((x, y))
        assert np.allclose(at, places[:, int(x), int(y)], atol=1e-3)
    words = ("apply", "--transform", tmp_path / "map.h5", study / "moving.png", "-o")
    assert command(*words, tmp_path / "w.nii.gz")[0] == 0
    again = read_array(tmp_path / "w.nii.gz")
    assert np.allclose(again, read_array(study / "out" / "warped.nii.gz"), atol=1e-2)
    assert_refused(
        command,
        ("apply", study / "out", "--out-format", "fsl", "-o", tmp_path / "f.nii.gz"),
        tmp_path,
    )


def test_white_paper_colours_and_nifti(study, tmp_path, command):
    """What the same slices look like elsewhere makes no difference to speak of."""
    pixels = {
        name: read_array(study / f"{name}.png").astype(float) for name in ("moving", "target")
    }
    coloured = np.repeat(255 - pixels["moving"][..., None], 3, axis=2)
    write_picture(tmp_path / "moving.png", coloured)
    image = nib.Nifti1Image(255 - pixels["target"][..., None], np.diag([-1.0, -1, 1, 1]))
    nib.save(image, tmp_path / "target.nii.gz")
    words = ("fit", tmp_path / "moving.png", tmp_path / "target.nii.gz", "-o", tmp_path / "out")
    code, shown, _ = command(*words)
    assert code == 0
    assert shown.count("it is a picture in colours, of which the luminance is taken") == 1
    assert shown.count("is bright: it is matched inverted") == 2
    field, known = (read_array(p / "out" / "displacement.nii.gz") for p in (tmp_path, study))
    tissue = pixels["target"] > 40
    assert np.median(np.hypot(*(field - known))[tissue]) < 0.1
    warped = read_array(tmp_path / "out" / "warped.nii.gz")
    assert warped[0, 0] == 255
    assert np.corrcoef(warped.ravel(), pixels["target"].ravel())[0, 1] < -0.99


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "volume.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((20, 20, 20), np.float32), np.eye(4)), path)
    return path


def test_slices_and_volumes_do_not_mix(study, volume, tmp_path, command):
    picture, out = study / "moving.png", study / "out"
    shutil.copy(picture, tmp_path / "moving.png")
    sitk.WriteTransform(sitk.AffineTransform(3), str(tmp_path / "volumes.mat"))
    for words in (
        ("register", picture, volume),
        ("register", volume, picture),
        ("register", picture, study / "target.png", "--reference", volume),
        ("register", picture, study / "target.png", "--target-mask", volume),
        ("register", picture, study / "target.png", "--atlas", volume),
        ("register", picture, study / "target.png", "--strip"),
        ("register", picture, study / "target.png", "--samples", 4),
        ("register", picture, study / "target.png", "--model", "default-1mm"),
        ("register", picture, study / "target.png", "--refine", 5),
        ("register", picture, study / "target.png", "--no-correction"),
        ("register", picture, study / "target.png", "--initial-affine", tmp_path / "volumes.mat"),
        ("fit", volume, picture),
        ("template", picture, study / "target.png"),
        ("label", picture, "--atlas", volume, "--atlas-labels", volume),
        ("label", picture, "--atlas", picture, "--atlas-labels", study / "moving_labels.png"),
    ):
        assert_refused(command, (*words, "-o", tmp_path / "out"), tmp_path)
    for words in (
        ("apply", out, volume),
        ("apply", out, picture, "--reference", volume),
        ("apply", "--transform", tmp_path / "volumes.mat", picture, "--reference", picture),
        ("apply", "--transform", out / "affine.mat", volume, "--reference", volume),
        ("apply", "--transform", out, "--transform", tmp_path / "volumes.mat", picture),
        ("strip", picture),
    ):
        assert_refused(command, (*words, "-o", tmp_path / "out.nii.gz"), tmp_path)
    labels = ("--moving-labels", volume, "--target-labels", study / "target_labels.png")
    assert_refused(command, ("evaluate", out, *labels), tmp_path)
    words = ("apply", "--transform", out, picture, "-o", tmp_path / "out.png", "--reference")
    assert_refused(command, (*words, volume), tmp_path)


def test_a_video_and_a_line_are_refused(study, tmp_path, command):
    frames = np.zeros((3, 20, 20, 3), np.uint8)
    frames[:, 5:15, 5:15] = 200
    sitk.WriteImage(sitk.GetImageFromArray(frames, isVector=True), str(tmp_path / "video.tif"))
    write_picture(tmp_path / "line.png", np.full((20, 1), 200))
    write_picture(tmp_path / "black.png", np.zeros((20, 20)))
    for name in ("video.tif", "line.png", "black.png"):
        words = ("register", tmp_path / name, study / "target.png", "-o", tmp_path / "out")
        assert_refused(command, words, tmp_path)
