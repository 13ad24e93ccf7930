from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

import quicksilver
from quicksilver.images.image import Image
from quicksilver.io.fields import read_field, write_field
from quicksilver.io.images import read_image
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti
from tests.quicksilver.processes import OUTPUTS, quicksilver_process


@pytest.fixture(scope="module")
def out(brain_files, model_file, tmp_path_factory) -> Path:
    """A folder that `quicksilver register` wrote, run as a user runs it."""
    folder = tmp_path_factory.mktemp("cli") / "out"
    done = quicksilver_process(
        "register", *brain_files, "-o", folder, "--model", model_file, "--no-affine"
    )
    assert done.returncode == 0, done.stderr
    assert str(folder / "report.html") in done.stdout.replace("\n", "")
    return folder


def test_register_writes_everything(out, brain_files):
    assert {path.name for path in out.iterdir()} == OUTPUTS
    target = read_image(brain_files[1])
    assert read_image(out / "warped.nii.gz").grid.matches(target.grid)
    summary = json.loads((out / "result.json").read_text())
    stages = [
        "read",
        "align",
        "prepare",
        "predict",
        "shoot",
        "correct",
        "decide",
        "shoot again",
        "judge",
        "write",
    ]
    assert list(summary["seconds"]) == [*stages, "total"]
    assert summary["command"] == "register"
    assert summary["moving"] == str(brain_files[0])


def test_the_warped_image_says_what_the_moving_one_is(brain_files, model_file, tmp_path, command):
    """As `apply` keeps it: what stays true of an image that is resampled."""
    moving = nib.load(brain_files[0])
    said = {"descrip": b"T1 of a phantom", "cal_max": 300.0, "toffset": 1.5, "intent_name": b"T1"}
    for name, value in said.items():
        moving.header[name] = value
    nib.save(moving, tmp_path / "moving.nii.gz")
    for name, source in (
        ("file", tmp_path / "moving.nii.gz"),
        ("masked", tmp_path / "moving.nii.gz"),
    ):
        mask = ("--moving-mask", source) if name == "masked" else ()
        words = ("register", source, brain_files[1], "-o", tmp_path / name, *mask)
        assert command(*words, "--model", model_file, "--no-affine")[0] == 0
        warped = nib.load(tmp_path / name / "warped.nii.gz").header
        assert {entry: warped[entry].item() for entry in said} == said
        assert warped.get_xyzt_units()[0] == "mm"
    found = quicksilver.register(moving, brain_files[1], model=model_file, affine=False)
    assert found.pair.moving_image.header["cal_max"] == 300


def test_options_of_register(brain_files, model_file, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path, "--model", model_file, "--no-affine")
    code, shown, _ = command(*words, "--steps", 2, "--no-correction", "--device", "cpu")
    assert code == 0
    assert "shoot" in shown
    assert "shoot again" not in shown
    settings = json.loads((tmp_path / "result.json").read_text())["settings"]
    assert (settings["steps"], settings["correction"], settings["device"]) == (2, False, "cpu")


def test_register_refines(brain_files, model_file, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path, "--model", model_file, "--steps", 2)
    code, shown, _ = command(*words, "--refine", 1, "--no-correction", "--no-affine")
    summary = json.loads((tmp_path / "result.json").read_text())
    assert code == 0
    assert "refine" in shown
    assert summary["settings"]["refine"] == 1
    assert list(summary["seconds"])[3:7] == ["predict", "decide", "refine", "shoot"]


def test_apply_repeats_the_warp(out, brain_files, tmp_path, command):
    assert command("apply", out, brain_files[0], "-o", tmp_path / "again.nii.gz")[0] == 0
    again, warped = (read_image(p).data for p in (tmp_path / "again.nii.gz", out / "warped.nii.gz"))
    assert np.allclose(again, warped, atol=0.05)


def test_apply_inverse_brings_the_target_back(out, brain_files, tmp_path, command):
    code, *_ = command(
        "apply", out, out / "warped.nii.gz", "-o", tmp_path / "back.nii.gz", "--inverse"
    )
    back, moving = read_image(tmp_path / "back.nii.gz"), read_image(brain_files[0])
    assert code == 0
    assert back.grid.matches(moving.grid)
    core = (slice(8, -8),) * 3
    assert np.corrcoef(back.data[core].ravel(), moving.data[core].ravel())[0, 1] > 0.95


def test_apply_refuses_an_image_of_another_world(out, tmp_path, command):
    far = make_brain(1, affine=make_affine((0, 0, 0), (1, 1, 1), origin=(500, 0, 0)))
    image = write_nifti(tmp_path / "far.nii.gz", far)
    code, _, error = command("apply", out, image, "-o", tmp_path / "moved.nii.gz")
    assert code == 2
    assert "no overlap" in error
    assert list(tmp_path.iterdir()) == [image]


@pytest.fixture
def label_files(brains, tmp_path) -> list[Path]:
    files = []
    for name, image in zip(("moving", "target"), brains, strict=True):
        labels = np.where(image.data > 0, 1000 + (image.data > 100), 0).astype(np.uint16)
        files.append(write_nifti(tmp_path / f"{name}.nii.gz", Image(labels, image.affine)))
    return files


def test_apply_labels(out, label_files, tmp_path, command):
    assert command("apply", out, label_files[0], "-o", tmp_path / "moved.nii", "--labels")[0] == 0
    moved = nib.load(tmp_path / "moved.nii")
    assert moved.get_data_dtype() == np.uint16
    assert set(np.unique(np.asarray(moved.dataobj))) == {0, 1000, 1001}


def test_evaluate(out, label_files, tmp_path, command):
    moving, target = label_files
    words = ("evaluate", out, "--moving-labels", moving, "--target-labels", target)
    code, shown, _ = command(*words, "--json", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert code == 0
    assert [score["label"] for score in scores["labels"]] == [1000, 1001]
    assert f"{scores['after']['overlap']:.3f}" in shown
    assert "folded voxels" in shown
    moved = command("apply", out, moving, "-o", tmp_path / "moved.nii", "--labels")
    assert moved[0] == 0
    ours, theirs = (read_image(p, labels=True).data for p in (tmp_path / "moved.nii", target))
    expected = [((ours == k) & (theirs == k)).sum() / (theirs == k).sum() for k in (1000, 1001)]
    assert np.isclose(scores["after"]["overlap"], np.mean(expected))
    assert "difference_mm" not in scores


def test_evaluate_beside_another_map(out, label_files, tmp_path, command):
    moving, target = label_files
    field = read_field(out / "displacement.nii.gz")
    further = field.vectors + torch.tensor([0.0, 3.0, 4.0]).view(1, 3, 1, 1, 1)
    write_field(tmp_path / "other.nii.gz", WorldField(further, field.grid))
    words = ("evaluate", out, "--moving-labels", moving, "--target-labels", target)
    words += ("--json", tmp_path / "scores.json", "--reference-map")
    code, shown, _ = command(*words, tmp_path / "other.nii.gz")
    assert code == 0
    found = json.loads((tmp_path / "scores.json").read_text())["difference_mm"]
    assert list(found) == ["0.3", "5", "25", "50", "75", "95", "99.7"]
    assert np.allclose(list(found.values()), 5, atol=1e-3)
    assert "99.7" in shown
    assert command(*words, moving)[0] == 2, "labels are no map"


def test_real_brains(shared, model_file, tmp_path):
    data = shared / "data" / "hippocampus"
    images = [data / f"hip_{number}_t1.nii.gz" for number in ("001", "004")]
    labels = [data / f"hip_{number}_lab.nii.gz" for number in ("001", "004")]
    done = quicksilver_process("register", *images, "-o", tmp_path, "--model", model_file)
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == OUTPUTS
    done = quicksilver_process(
        "evaluate", tmp_path, "--moving-labels", labels[0], "--target-labels", labels[1]
    )
    assert done.returncode == 0
    assert "mean" in done.stdout


def test_nothing_that_a_terminal_obeys_is_printed(out, brain_files, tmp_path, command):
    folder = tmp_path / "red\x1b[31m"
    folder.mkdir()
    code, shown, error = command("apply", out, brain_files[0], "-o", folder / "a.nii.gz")
    assert code == 0
    assert "\x1b" not in shown + error
    assert "red\\x1b[31m" in shown.replace("\n", "")


def test_the_folder_after_the_file_is_swapped(out, brain_files, tmp_path, command):
    code, _, error = command("apply", brain_files[0], out, "-o", tmp_path / "a.nii")
    assert code == 2
    assert "swap them" in error


def test_a_full_standard_output_is_a_sentence(out, tmp_path):
    words = [sys.executable, "-m", "quicksilver", "jacobian", out, "-o", tmp_path / "a.nii"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("quicksilver: expected")
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_raw_pair_of_people(shared, tmp_path):
    """From files to files in the time of two cores that makes 45 s; as good as in the frame that
    thorough alignment made (0.59 on this pair)."""
    data = shared / "data" / "validate_1mm"
    images, labels = (
        [data / f"m12_{name}_{kind}.nii.gz" for name in (1000, 1001)] for kind in ("t1", "lab")
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = quicksilver_process("register", *images, "-o", tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == OUTPUTS
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 90
    words = ("--moving-labels", labels[0], "--target-labels", labels[1])
    done = quicksilver_process("evaluate", tmp_path, *words, "--json", tmp_path / "scores.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["after"]["overlap"] > 0.58


@pytest.mark.parametrize("strict", [False, True])
def test_strict_ends_with_3_where_a_registration_is_not_good(
    brain_files, model_file, tmp_path, command, strict
):
    moving = read_image(brain_files[0])
    giant = Image(moving.data, moving.affine @ np.diag([2.5, 2.5, 2.5, 1.0]))
    file = write_nifti(tmp_path / "giant.nii.gz", giant)
    words = ("register", file, brain_files[1], "-o", tmp_path / "out", "--model", model_file)
    code, shown, _ = command(*words, *(["--strict"] if strict else []))
    assert code == (3 if strict else 0)
    verdict = json.loads((tmp_path / "out" / "result.json").read_text())["verdict"]
    assert verdict["level"] != "good"
    assert verdict["reasons"]
    assert f"verdict: {verdict['level']}: " in shown
