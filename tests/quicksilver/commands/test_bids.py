"""The BIDS App, run as its container runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from quicksilver.commands import bids
from quicksilver.io.images import read_image
from tests.quicksilver.phantoms import make_brain, write_nifti
from tests.quicksilver.processes import python_process, quicksilver_process

PROGRAM = "from quicksilver.commands.bids import main; main()"


def app(*words: object):
    return python_process("-c", PROGRAM, *words)


@pytest.fixture
def app_here(monkeypatch, capsys):
    """Run the app in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["quicksilver-bids", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            bids.main()
        return (int(stop.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A BIDS data set of three images, one of them damaged, and a target beside it."""
    folder = tmp_path_factory.mktemp("bids")
    for number, name in enumerate(
        ("sub-01/anat/sub-01_T1w", "sub-02/ses-a/anat/sub-02_ses-a_T1w", "sub-03/anat/sub-03_T1w")
    ):
        (folder / "BIDS" / name).parent.mkdir(parents=True)
        write_nifti(folder / "BIDS" / f"{name}.nii.gz", make_brain(number))
    (folder / "BIDS/sub-03/anat/sub-03_T1w.nii.gz").write_text("no image")
    write_nifti(folder / "my_target.nii.gz", make_brain(4))
    return folder


@pytest.fixture(scope="module")
def words(data, model_file) -> list[object]:
    return ["--target", data / "my_target.nii.gz", "--no-strip", "--model", model_file]


@pytest.fixture(scope="module")
def out(data, words) -> Path:
    labels = ("--participant_label", "01", "sub-02")
    limits = ("--n_cpus", 1, "--mem_mb", 4000, "--skip_bids_validator")
    done = app(data / "BIDS", data / "OUT", "participant", *labels, *limits, *words)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 pairs registered, 2 of them now" in done.stdout
    return data / "OUT"


def test_the_derivatives_have_names_of_bids(out):
    names = {path.relative_to(out).as_posix() for path in out.glob("sub-*/**/*.*")}
    endings = (
        "space-mytarget_desc-brain_T1w.nii.gz",
        "space-mytarget_desc-brain_T1w.json",
        "from-T1w_to-mytarget_mode-image_xfm.nii.gz",
        "from-mytarget_to-T1w_mode-image_xfm.nii.gz",
    )
    starts = ("sub-01/anat/sub-01", "sub-02/ses-a/anat/sub-02_ses-a")
    assert names == {f"{start}_{ending}" for start in starts for ending in endings}


def test_the_derivatives_say_what_they_are(out, data):
    described = json.loads((out / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "quicksilver"
    assert described["DatasetLinks"] == {"raw": (data / "BIDS").resolve().as_uri()}
    sidecar = json.loads(
        (out / "sub-01/anat/sub-01_space-mytarget_desc-brain_T1w.json").read_text()
    )
    assert sidecar["Sources"] == ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    assert sidecar["SkullStripped"] is True
    assert (out / ".bidsignore").read_text() == "registrations\n*_xfm.nii.gz\n"


def test_the_maps_are_those_of_the_registrations(out, tmp_path):
    fields = "sub-01/anat/sub-01_from-T1w_to-mytarget_mode-image_xfm.nii.gz"
    moved = out / "sub-01/anat/sub-01_space-mytarget_desc-brain_T1w.nii.gz"
    assert (out / fields).samefile(out / "registrations/sub-01_T1w/displacement.nii.gz")
    assert read_image(moved).grid.matches(read_image(out.parent / "my_target.nii.gz").grid)
    image = out.parent / "BIDS/sub-01/anat/sub-01_T1w.nii.gz"
    place = out / "registrations/sub-01_T1w"
    done = quicksilver_process("apply", place, image, "-o", tmp_path / "again.nii.gz")
    assert done.returncode == 0, done.stderr


def test_the_group_level_writes_the_page_of_all(out, data, words, app_here):
    page = out / "registrations/index.html"
    page.unlink()
    code, shown, _ = app_here(data / "BIDS", out, "group", *words)
    assert code == 0
    assert "2 of 3 pairs registered, 0 of them now" in shown
    assert page.is_file()


def test_a_damaged_image_fails_alone(out, data, words, app_here):
    code, shown, error = app_here(data / "BIDS", out, "participant", *words)
    assert code == 1
    assert "failed: sub-03_T1w: expected" in error
    assert "2 of 3 pairs registered, 1 of them now" in shown


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["participant", "--participant_label", "01", "07"], "found sub-07; give others"),
        (["participant", "--space", "my space"], "expected --space to be letters and digits"),
        (["participant", "--n-cpus", ""], "expected a value in every argument"),
        (["participant", "--model", "absent.safetensors"], "expected"),
        (["group"], "run the level participant first"),
    ],
)
def test_what_cannot_be_done_is_refused(more, sentence, data, tmp_path, app_here):
    target = data / "my_target.nii.gz"
    code, _, error = app_here(data / "BIDS", tmp_path / "out", *more, "--target", target)
    assert code == 2
    assert sentence in error
    assert not list(tmp_path.rglob("*.*"))


def test_the_version():
    assert app("--version").stdout == quicksilver_process("--version").stdout
