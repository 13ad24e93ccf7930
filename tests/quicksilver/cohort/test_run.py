"""Lists of pairs: what is done stays, what fails stays alone, what is killed is done again."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.cohort import bids
from quicksilver.cohort.page import write_page
from quicksilver.cohort.pairs import PairPaths, read_list
from quicksilver.cohort.run import run_cohort
from quicksilver.images.image import Image
from tests.quicksilver.cohort.lists import brain, pretend, some_pairs
from tests.quicksilver.phantoms import write_nifti


def test_one_failure_stays_alone_and_what_is_done_is_left_alone(tmp_path):
    pairs = some_pairs(tmp_path, 4)
    first = run_cohort(pairs, tmp_path / "out", pretend, {"a": 1}, jobs=2)
    assert {o.id: o.error is None for o in first} == {
        "p0": True,
        "p1": False,
        "p2": True,
        "p3": True,
    }
    assert (tmp_path / "out/failures/p1.txt").read_text().startswith("expected sense")
    assert not (tmp_path / "out/p1").exists()
    again = run_cohort(pairs, tmp_path / "out", pretend, {"a": 1})
    assert [o.id for o in again] == ["p1"]
    assert {o.id for o in run_cohort(pairs, tmp_path / "out", pretend, {"a": 2})} == {
        "p0",
        "p1",
        "p2",
        "p3",
    }
    os.utime(pairs[2].moving, ns=(1, 1))  # as if the image were another
    assert {o.id for o in run_cohort(pairs, tmp_path / "out", pretend, {"a": 2})} == {"p1", "p2"}


def test_a_failure_is_forgotten_once_the_pair_is_done(tmp_path):
    pairs = some_pairs(tmp_path, 2)
    run_cohort(pairs, tmp_path / "out", pretend, {})
    assert (tmp_path / "out/failures/p1.txt").exists()
    fine = [PairPaths("p1", pairs[1].moving, pairs[1].target)]

    def mended(pair, place, entries):
        pretend(PairPaths("other", pair.moving, pair.target), place, entries)

    run_cohort(fine, tmp_path / "out", mended, {})
    assert not (tmp_path / "out/failures/p1.txt").exists()


def test_a_defect_ends_the_run(tmp_path):
    def broken(pair, place, entries):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_cohort(some_pairs(tmp_path, 3), tmp_path / "out", broken, {}, jobs=2)


@pytest.fixture(scope="module")
def listed(tmp_path_factory, model_file) -> tuple[Path, subprocess.CompletedProcess]:
    """A list of three pairs, one of which cannot be registered, by the command."""
    folder = tmp_path_factory.mktemp("listed")
    some_pairs(folder, 2)
    write_nifti(folder / "empty.nii.gz", Image(np.zeros((20, 20, 20), np.float32), np.eye(4)))
    rows = [
        "id,moving,target,moving_labels,target_labels",
        "good,0.nii.gz,1.nii.gz,0_lab.nii.gz,1_lab.nii.gz",
        "bad,empty.nii.gz,1.nii.gz,,",
        "<b>odd & name,1.nii.gz,2.nii.gz,,",
    ]
    for k in range(2):
        labels = Image((brain(k).data > 0).astype(np.uint8), brain(k).affine)
        write_nifti(folder / f"{k}_lab.nii.gz", labels)
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    words = ["register", "--pairs", folder / "pairs.csv", "-o", folder / "out", "--no-affine"]
    command = [sys.executable, "-m", "quicksilver", *words, "--model", model_file, "--jobs", "2"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder)
    return folder, done


def test_the_command_registers_a_list_and_says_what_failed(listed):
    folder, done = listed
    assert done.returncode == 1
    assert "2 of 3 pairs registered" in done.stdout
    assert "failed: bad: expected an image with non-zero voxels" in done.stderr
    assert "Traceback" not in done.stderr
    good = json.loads((folder / "out/good/result.json").read_text())
    assert good["overlap"]["after"] > 0.7
    assert (folder / "out/good/report.html").exists()


def test_the_summary_is_worst_first(listed):
    folder, _ = listed
    with (folder / "out/summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["failed", "done", "done"]
    assert float(next(row for row in rows if row["id"] == "good")["overlap"]) > 0.7
    page = (folder / "out/index.html").read_text()
    assert "<b>odd" not in page
    assert "\\u003cb>odd" in page
    assert read_list(folder / "pairs.csv")[0].id == "good"


def test_a_bids_folder_is_brought_to_a_target(tmp_path, command, model_file):
    data = tmp_path / "data"
    for name in ("sub-01/anat/sub-01_T1w", "sub-02/ses-a/anat/sub-02_ses-a_desc-preproc_T1w"):
        (data / name).parent.mkdir(parents=True)
        write_nifti(data / f"{name}.nii.gz", brain(3))
    mask = data / "sub-02/ses-a/anat/sub-02_ses-a_desc-brain_mask.nii.gz"
    write_nifti(mask, Image((brain(3).data > 0).astype(np.uint8), brain(3).affine))
    target = write_nifti(tmp_path / "target.nii.gz", brain(4))
    pairs = bids.find_pairs(data, target)
    assert [(p.id, p.moving_mask) for p in pairs] == [
        ("sub-01_T1w", None),
        ("sub-02_ses-a_desc-preproc_T1w", mask),
    ]
    out = tmp_path / "out"
    code, text, _ = command(
        "register", data, target, "-o", out, "--no-affine", "--model", model_file
    )
    assert code == 0
    assert "2 of 2" in text
    described = json.loads((out / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert (out / "sub-01_T1w/displacement.nii.gz").exists()
    code, _, error = command("register", tmp_path / "out", target, "-o", out)
    assert code == 2
    assert "found none" in error


def test_stripped_images_of_a_bids_folder_are_preferred(tmp_path):
    for name in ("sub-1_T1w", "sub-1_desc-brain_T1w", "sub-1_space-MNI_desc-brain_T1w"):
        (tmp_path / "sub-1/anat").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"sub-1/anat/{name}.nii.gz").touch()
    (tmp_path / "sub-1/anat/sub-1_desc-brain_mask.nii.gz").touch()
    pairs = bids.find_pairs(tmp_path, tmp_path / "t.nii.gz")
    assert [(p.id, p.moving_mask) for p in pairs] == [("sub-1_desc-brain_T1w", None)]


@pytest.mark.parametrize(
    "words", [[], ["a.nii"], ["a.nii", "b.nii", "--jobs", "2"], ["a.nii", "b.nii", "--pairs", "c"]]
)
def test_what_is_neither_a_pair_nor_a_list_is_refused(words, command, tmp_path):
    code, _, error = command("register", *words, "-o", tmp_path)
    assert code == 2
    assert "either MOVING and TARGET" in " ".join(error.replace("│", "").split())


@pytest.mark.parametrize("link", ["nowhere.nii.gz", "sub-1_T1w.nii.gz"])
def test_a_link_that_leads_nowhere_fails_alone(link, tmp_path, command, model_file):
    """As git-annex leaves them."""
    for number, (subject, content) in enumerate({"0": None, "1": link, "2": "/dev/zero"}.items()):
        folder = tmp_path / f"bids/sub-{subject}/anat"
        folder.mkdir(parents=True)
        if content is None:
            write_nifti(folder / f"sub-{subject}_T1w.nii.gz", brain(number))
        else:
            (folder / f"sub-{subject}_T1w.nii.gz").symlink_to(content)
    target = write_nifti(tmp_path / "target.nii.gz", brain(5))
    words = ("register", tmp_path / "bids", target, "-o", tmp_path / "out", "--no-affine")
    code, shown, error = command(*words, "--model", model_file)
    assert code == 1
    assert "1 of 3 pairs registered" in shown
    assert error.count("failed: ") == 2
    code, shown, error = command(*words[:2], tmp_path / "absent.nii.gz", *words[3:])
    assert code == 1
    assert "0 of 3 pairs" in shown
    assert "no such file" in error


def test_a_file_that_is_missing_fails_its_pair_alone(tmp_path, command, model_file):
    some_pairs(tmp_path, 1)
    (tmp_path / "pairs.csv").write_text(
        "id,moving,target\na,0.nii.gz,1.nii.gz\nb,0.nii.gz,absent.nii.gz\nc,0.nii.gz,bad.gii\n"
    )
    (tmp_path / "bad.gii").write_text("<GIFTI><broken")
    words = ("--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out")
    code, shown, error = command("register", *words, "--no-affine", "--model", model_file)
    assert code == 1
    assert "1 of 3 pairs registered" in shown
    assert "failed: b: expected an image at" in error
    assert "failed: c: expected a whole" in error


IN_THE_WAY = {
    "a file for failures": lambda out: (out / "failures").write_text(""),
    "a folder for a failure": lambda out: (out / "failures/p0.txt").mkdir(parents=True),
    "a folder for the page": lambda out: (out / "index.html").mkdir(),
    "a folder for the table": lambda out: (out / "summary.csv").mkdir(),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_the_way_is_said_first(name, tmp_path, command, model_file):
    some_pairs(tmp_path, 1)
    (tmp_path / "pairs.csv").write_text("id,moving,target\np0,0.nii.gz,1.nii.gz\n")
    (tmp_path / "out").mkdir()
    IN_THE_WAY[name](tmp_path / "out")
    words = ("--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out")
    code, shown, error = command("register", *words, "--no-affine", "--model", model_file)
    assert code == 2
    assert "move it away" in error
    assert not shown
    assert not (tmp_path / "out/p0").exists()


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"energies": 3}', "[" * 100_000, '{"energies": {}, "quality": {}}']
)
def test_a_page_of_damaged_results(content, tmp_path):
    pairs = some_pairs(tmp_path, 1)
    (tmp_path / "out/p0").mkdir(parents=True)
    (tmp_path / "out/p0/result.json").write_text(content)
    row = write_page(pairs, tmp_path / "out")[0]
    assert row["status"] == "missing"
    assert "found others" in row["error"]
    assert [o.error for o in run_cohort(pairs, tmp_path / "out", pretend, {})] == [None]


def test_names_that_are_not_utf8(tmp_path, command, model_file):
    folder = tmp_path / os.fsdecode(b"jos\xe9")
    folder.mkdir()
    some_pairs(folder, 1)
    (folder / "pairs.csv").write_text("moving,target\n0.nii.gz,1.nii.gz\n")
    words = ("--pairs", folder / "pairs.csv", "-o", folder / "out")
    options = ("--no-affine", "--model", model_file)
    code, shown, error = command("register", *words, *options)
    assert code == 0, error
    assert "\\udce9" in shown
    assert (folder / "out/0-1/affine.mat").exists()
    field = folder / "out/0-1/displacement.nii.gz"
    vectors = sitk.ReadImage(
        str(Path(shutil.copy(field, tmp_path / "d.nii.gz"))), sitk.sitkVectorFloat64
    )
    sitk.WriteTransform(sitk.DisplacementFieldTransform(vectors), str(tmp_path / "d.h5"))
    shutil.move(tmp_path / "d.h5", folder / "d.h5")
    for transform in ("d.h5", "out/0-1/affine.mat"):
        words = ("apply", "--transform", folder / transform, folder / "0.nii.gz")
        words += ("-o", folder / "moved.nii.gz", "--reference", folder / "1.nii.gz")
        code, _, error = command(*words)
        assert code == 0, error
