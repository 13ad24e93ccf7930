"""The command label: small atlases through all of it, and people."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quicksilver.io.images import read_image
from quicksilver.io.transforms import read_chain
from quicksilver.labelling.atlases import find_atlases
from quicksilver.labelling.label import label_image
from quicksilver.labelling.options import LabelOptions
from quicksilver.registration.evaluation import score_labels
from tests.quicksilver.atlases import draw_labels
from tests.quicksilver.heads import dice, make_head, read_mask, template_brain
from tests.quicksilver.phantoms import write_nifti
from tests.quicksilver.processes import KILLED


def words_for(files: Path, count: int, out: Path, *more: object) -> list[object]:
    atlases = [
        word
        for number in range(1, count + 1)
        for word in (
            *("--atlas", files / f"atlas{number}.nii.gz"),
            *("--atlas-labels", files / f"labels{number}.nii.gz"),
        )
    ]
    return ["label", files / "image.nii.gz", *atlases, "-o", out, *more]


def measure_dice(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([score.dice for score in score_labels(found, truth, np.ones(3))]))


@pytest.fixture(scope="module")
def labelled(files, model_file, tmp_path_factory) -> Path:
    """The results of two atlases, in a process of its own."""
    out = tmp_path_factory.mktemp("labelled") / "out"
    names = ("--label-names", files / "names.csv", "--model", model_file, "--jobs", "1")
    program = [sys.executable, "-m", "quicksilver", *words_for(files, 2, out, *names)]
    subprocess.run(list(map(str, program)), check=True, cwd="/", capture_output=True)
    return out


def test_labels_volumes_and_record(labelled, files):
    assert {path.name for path in labelled.iterdir()} == {
        *("labels.nii.gz", "volumes.csv", "report.html", "result.json", "atlases")
    }
    found, image = read_image(labelled / "labels.nii.gz", True), read_image(files / "image.nii.gz")
    assert found.grid.matches(image.grid)
    assert found.data.dtype == np.uint16
    assert measure_dice(found.data, draw_labels(image).data) > 0.95
    with (labelled / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["name"]) for row in rows] == [("3", "left half"), ("700", "")]
    for row in rows:
        voxels = np.count_nonzero(found.data == int(row["label"]))
        assert int(row["voxels"]) == voxels
        assert float(row["volume_mm3"]) == pytest.approx(8 * voxels)
    record = json.loads((labelled / "result.json").read_text())
    assert list(record["atlases"]) == ["atlas1", "atlas2"]
    assert record["settings"]["fusion"] == "joint"
    assert record["line"].startswith("quicksilver label ")
    assert (labelled / "atlases/atlas1/report.html").exists()


def stamps(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("atlases/*/result.json")}


def test_what_is_registered_is_found_again(labelled, files, model_file, command, tmp_path):
    out = tmp_path / "out"
    subprocess.run(["cp", "-a", labelled, out], check=True)
    before = stamps(out)
    options = ("--model", model_file, "--jobs", 1)
    code, shown, error = command(*words_for(files, 3, out, *options))
    assert code == 0, error
    assert "2 labels of 3 atlases" in shown
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    assert set(after) == {"atlas1", "atlas2", "atlas3"}
    code, _, error = command(*words_for(files, 2, out, *options, "--fusion", "majority"))
    assert code == 0, error
    assert stamps(out) == after, "the way of fusing decides no registration"
    assert json.loads((out / "result.json").read_text())["settings"]["fusion"] == "majority"


def test_an_atlas_that_failed_has_no_vote(labelled, files, model_file, command, tmp_path):
    out = tmp_path / "out"
    subprocess.run(["cp", "-a", labelled, out], check=True)
    options = ("--model", model_file, "--jobs", 1)
    for number, (name, exit_code) in enumerate((("atlas1", 0), ("atlas2", 2))):
        file = out / f"atlases/{name}/result.json"
        record = json.loads(file.read_text())
        record["verdict"] = {"level": "failed", "reasons": ["it looks like a cabbage"]}
        file.write_text(json.dumps(record))
        code, shown, error = command(*words_for(files, 2, out, *options))
        assert code == exit_code
        assert "cabbage" in (error if number else shown)
    alone = tmp_path / "alone"
    only = ["--atlas", files / "atlas2.nii.gz", "--atlas-labels", files / "labels2.nii.gz"]
    words = ["label", files / "image.nii.gz", *only, "-o", alone, *options]
    assert command(*words)[0] == 0
    assert (alone / "labels.nii.gz").read_bytes() == (out / "labels.nii.gz").read_bytes()


@pytest.mark.parametrize(
    "verdict",
    [None, "good", {}, {"level": "evil", "reasons": []}, {"level": "good", "reasons": [3]}],
)
def test_a_registration_without_a_verdict_is_refused(
    verdict, labelled, files, model_file, command, tmp_path
):
    out = tmp_path / "out"
    subprocess.run(["cp", "-a", labelled, out], check=True)
    file = out / "atlases/atlas1/result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "verdict": verdict}))
    code, _, error = command(*words_for(files, 2, out, "--model", model_file, "--jobs", 1))
    assert code == 2
    assert "expected a verdict on a registration" in error
    assert "Traceback" not in error


def test_killed_and_run_again_it_has_the_same_bits(labelled, files, model_file, tmp_path):
    """Killed while the second atlas is saved, and again while the labels are."""
    out = tmp_path / "out"
    named = ("--label-names", files / "names.csv", "--model", model_file, "--jobs", "1")
    words = list(map(str, words_for(files, 2, out, *named)))
    for renames in (25, 18):
        program = [sys.executable, "-c", KILLED, str(renames), *words]
        done = subprocess.run(program, check=False, cwd="/", capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert not (out / "result.json").exists()
    assert len(stamps(out)) == 2
    subprocess.run([sys.executable, "-m", "quicksilver", *words], check=True, cwd="/")
    for file in ("labels.nii.gz", "volumes.csv"):
        assert (out / file).read_bytes() == (labelled / file).read_bytes()
    assert not list(out.rglob(".*.partial"))


def test_processes_share_the_atlases(files, model_file, command, tmp_path, monkeypatch):
    words = words_for(files, 2, tmp_path / "out", "--model", model_file)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    code, shown, error = command(*words)
    assert code == 0, error
    assert "other processes" in shown
    assert set(stamps(tmp_path / "out")) == {"atlas1"}
    assert not (tmp_path / "out/labels.nii.gz").exists()
    monkeypatch.setenv("RANK", "1")
    assert command(*words)[0] == 0
    assert (tmp_path / "out/labels.nii.gz").exists()


@pytest.mark.usefixtures("deepbet")
def test_a_head_is_stripped_once(files, model_file, tmp_path, command):
    brain = template_brain()
    write_nifti(tmp_path / "head.nii.gz", make_head(brain))
    write_nifti(tmp_path / "atlas.nii.gz", brain)
    write_nifti(tmp_path / "labels.nii.gz", draw_labels(brain))
    words = ["label", tmp_path / "head.nii.gz", "--atlas", tmp_path / "atlas.nii.gz"]
    words += ["--atlas-labels", tmp_path / "labels.nii.gz", "--model", model_file, "--strip"]
    code, _, error = command(*words, "-o", tmp_path / "out")
    assert code == 0, error
    mask = read_mask(tmp_path / "out/mask.nii.gz")
    assert dice(mask, brain.data != 0) > 0.99
    found = read_image(tmp_path / "out/labels.nii.gz", True)
    assert measure_dice(found.data, draw_labels(brain).data) > 0.95


def test_people_are_labelled_better_than_by_the_affine(shared, tmp_path):
    """Two atlases, and a third person whose own labels stay unseen."""
    people = [shared / "data/train_2mm" / f"ixi_{number}" for number in ("646", "643", "661")]
    images, labels = ([Path(f"{one}_{kind}.nii.gz") for one in people] for kind in ("t1", "lab"))
    atlases = find_atlases(images[:2], labels[:2])
    found = label_image(images[2], atlases, tmp_path, LabelOptions(device="cpu"))
    truth = read_image(labels[2], True)
    grid = truth.grid
    affine, alone = [], []
    for atlas in atlases:
        place = tmp_path / "atlases" / atlas.name
        own = read_image(atlas.labels, True)
        for scores, transform in ((affine, place / "affine.mat"), (alone, place)):
            warped = read_chain([str(transform)]).onto(grid).warp(own, "nearest").data
            scores.append(measure_dice(warped, truth.data))
    fused = measure_dice(found.labels.data, truth.data)
    assert fused > max(alone) + 0.01
    assert min(alone) > max(affine)
