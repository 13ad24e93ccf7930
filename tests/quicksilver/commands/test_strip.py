"""The command strip, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from tests.quicksilver.heads import dice, make_head, read_mask, template_brain, write_stand_in
from tests.quicksilver.phantoms import make_brain, write_nifti
from tests.quicksilver.processes import KILLED, quicksilver_process


@pytest.fixture(scope="module")
def head_file(tmp_path_factory) -> Path:
    return write_nifti(tmp_path_factory.mktemp("head") / "head.nii.gz", make_head(template_brain()))


def test_a_head_becomes_a_brain(head_file, tmp_path):
    pytest.importorskip("deepbet")
    done = quicksilver_process("strip", head_file, "-o", tmp_path / "brain.nii.gz")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"brain.nii.gz", "brain_mask.nii.gz"}
    mask, head = read_mask(tmp_path / "brain_mask.nii.gz"), read_image(head_file)
    assert dice(mask, template_brain().data != 0) > 0.94
    brain = read_image(tmp_path / "brain.nii.gz")
    assert (brain.data == np.where(mask, head.data, 0)).all()
    assert np.allclose(brain.affine, head.affine)


HIDDEN = "import sys; sys.modules['deepbet'] = None; from quicksilver import cli; cli.main()"


@pytest.mark.parametrize(
    "words",
    [
        ("strip", "head.nii.gz", "-o", "brain.nii.gz"),
        ("register", "head.nii.gz", "head.nii.gz", "-o", "out", "--strip"),
        ("register", "--pairs", "pairs.csv", "-o", "out", "--strip"),
        ("fit", "head.nii.gz", "head.nii.gz", "-o", "out", "--strip"),
    ],
)
def test_without_deepbet_one_sentence_says_what_to_install(words, head_file, tmp_path):
    (tmp_path / "head.nii.gz").symlink_to(head_file)
    (tmp_path / "pairs.csv").write_text("moving,target\nhead.nii.gz,head.nii.gz\n")
    words = [str(tmp_path / word) if "." in word or word == "out" else word for word in words]
    program = [sys.executable, "-c", HIDDEN, *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 2
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("quicksilver: expected the package deepbet")
    assert "pip install deepbet" in sentence
    assert {path.name for path in tmp_path.iterdir()} == {"head.nii.gz", "pairs.csv"}


BAD_INPUTS = [
    "a missing file",
    "no NIfTI",
    "4-D",
    "a name of no NIfTI",
    "the input",
    "a mask in the input's place",
    "an unwritable folder",
]


def bad_words(folder: Path, head: Path) -> dict[str, list[object]]:
    """Command lines that cannot work, by name."""
    (folder / "text.nii.gz").write_text("no image")
    (folder / "file").write_text("")
    four = np.stack([make_brain(1).data] * 2, axis=-1)
    nib.save(nib.Nifti1Image(four, np.eye(4)), folder / "four.nii.gz")
    nib.save(nib.load(head), folder / "head_mask.nii.gz")
    out = folder / "brain.nii.gz"
    return {
        "a missing file": ["absent.nii.gz", "-o", out],
        "no NIfTI": [folder / "text.nii.gz", "-o", out],
        "4-D": [folder / "four.nii.gz", "-o", out],
        "a name of no NIfTI": [head, "-o", folder / "brain.png"],
        "the input": [folder / "four.nii.gz", "-o", folder / "four.nii.gz"],
        "a mask in the input's place": [folder / "head_mask.nii.gz", "-o", folder / "head.nii.gz"],
        "an unwritable folder": [head, "-o", folder / "file/brain.nii.gz"],
    }


@pytest.mark.usefixtures("deepbet")
@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence(name, head_file, tmp_path, command):
    words = bad_words(tmp_path, head_file)[name]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    code, shown, error = command("strip", *words)
    assert code == 2
    assert not shown
    assert error.strip().splitlines()[-1].startswith("quicksilver: expected")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_leaves_nothing_half_written(renames, head_file, tmp_path):
    """Killed as the first or the second file is complete under its temporary name."""
    stand_in = write_stand_in(tmp_path / "packages")
    paths = os.pathsep.join([str(stand_in), os.environ.get("PYTHONPATH", "")])
    out = tmp_path / "out"
    out.mkdir()
    words = [str(renames), "strip", str(head_file), "-o", str(out / "brain.nii.gz")]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == -9
    left = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert left == ({"brain_mask.nii.gz"} if renames else set())
    assert all(read_mask(out / name).any() for name in left)


def test_a_list_of_fits_is_not_stripped(tmp_path, command):
    code, _, error = command("fit", "--pairs", tmp_path / "p.csv", "-o", tmp_path / "o", "--strip")
    assert code == 2
    assert "--strip is for two images" in " ".join(error.replace("│", "").split())


@pytest.mark.usefixtures("deepbet")
def test_a_brain_is_said_to_be_one(tmp_path, command):
    small = Image(np.ones((30, 30, 30), np.float32), np.eye(4))
    file = write_nifti(tmp_path / "brain.nii", small)
    code, shown, error = command("strip", file, "-o", tmp_path / "again.nii")
    assert code == 0, error
    assert "its skull may be gone" in shown
    assert "the mask has 27 ml" in shown
    assert (tmp_path / "again_mask.nii").exists()
