"""What a command cannot do is refused in one sentence, before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.training.recipe import RECIPES
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti
from tests.quicksilver.processes import quicksilver_process

RECIPE = Path(str(RECIPES / "default-2mm.yaml"))


BAD_INPUTS = [
    "a missing file",
    "no NIfTI",
    "4-D",
    "NaN",
    "an empty image",
    "different worlds",
    "smaller than a patch",
    "a broken model",
    "a broken checkpoint",
    "a missing model",
    "an unwritable folder",
    "a file for a folder",
    "no such device",
    "a stride without patches",
    "an atlas without alignment",
    "applying nothing",
    "evaluating nothing",
    "fitting nothing",
    "training on nothing",
    "training by nothing",
]


def bad_files(folder: Path) -> dict[str, Path]:
    """Images that cannot be registered, by name; and other things that are in the way."""
    (folder / "text.nii.gz").write_text("no image")
    (folder / "in-the-way").write_text("a file")
    (folder / "empty").mkdir()
    (folder / "model.safetensors").write_bytes(b"no model")
    (folder / "model.pth.tar").write_bytes(b"no model")
    good = make_brain(1)
    holed = good.data.copy()
    holed[20, 20, 20] = np.nan
    images = {
        "nan": Image(holed, np.eye(4)),
        "zeros": Image(good.data * 0, np.eye(4)),
        "four": Image(np.stack([good.data] * 2, axis=-1), np.eye(4)),
        "far": Image(good.data, make_affine((0, 0, 0), (1, 1, 1), origin=(500, 0, 0))),
        "small": Image(good.data[10:20, 10:20, 10:20], np.eye(4)),
    }
    return {name: write_nifti(folder / f"{name}.nii.gz", image) for name, image in images.items()}


def bad_inputs(folder: Path, brain: Path) -> dict[str, list[object]]:
    """Command lines that cannot work, by name."""
    files, out = bad_files(folder), folder / "out"

    def registering(moving: Path, *options: object) -> list[object]:
        return ["register", moving, brain, "-o", out, "--no-affine", *options]

    return {
        "a missing file": registering(folder / "absent.nii.gz"),
        "no NIfTI": registering(folder / "text.nii.gz"),
        "4-D": registering(files["four"]),
        "NaN": registering(files["nan"]),
        "an empty image": registering(files["zeros"]),
        "different worlds": registering(files["far"]),
        "smaller than a patch": ["register", *[files["small"]] * 2, "-o", out, "--no-affine"],
        "a broken model": registering(brain, "--model", folder / "model.safetensors"),
        "a broken checkpoint": registering(brain, "--model", folder / "model.pth.tar"),
        "a missing model": registering(brain, "--model", folder / "absent.safetensors"),
        "an unwritable folder": ["register", brain, brain, "-o", folder / "in-the-way" / "out"],
        "a file for a folder": ["register", brain, brain, "-o", folder / "in-the-way"],
        "no such device": registering(brain, "--device", "cuda:77"),
        "a stride without patches": registering(brain, "--stride", 7),
        "an atlas without alignment": registering(brain, "--atlas", brain),
        "applying nothing": ["apply", folder / "empty", brain, "-o", folder / "applied.nii"],
        "evaluating nothing": [
            "evaluate",
            folder / "empty",
            "--moving-labels",
            brain,
            "--target-labels",
            brain,
        ],
        "fitting nothing": ["fit", folder / "absent.nii.gz", brain, "-o", out],
        "training on nothing": ["train", RECIPE, "--data", folder / "empty", "-o", out],
        "training by nothing": ["train", folder / "absent.yaml", "--data", folder, "-o", out],
    }


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence(name, tmp_path, brain_files, model_file, command):
    words = bad_inputs(tmp_path, brain_files[0])[name]
    if words[0] == "register" and "--model" not in words:
        words = [*words, "--model", model_file]
    before = sorted(tmp_path.rglob("*"))
    code, shown, error = command(*words)
    sentence = error.strip().splitlines()[-1]
    assert code == 2
    assert shown == ""
    assert sentence.startswith("quicksilver: expected")
    assert "found" in sentence
    assert ";" in sentence
    assert "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before, "something was left behind"


def test_no_traceback_as_a_process(tmp_path):
    done = quicksilver_process(
        "register", tmp_path / "a.nii", tmp_path / "b.nii", "-o", tmp_path / "out"
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("quicksilver: expected an image at")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [("-o", ""), ("--output=",), ("-o", "out", "--model", ""), ("-o", "out", "--reference=")],
)
def test_an_empty_argument_is_refused(words, brain_files, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, shown, error = command("register", *brain_files, *words)
    assert code == 2
    assert "found an empty one" in error
    assert not shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("--device", "meta"),
        ("--device", "privateuseone"),
        ("--steps", 10**9),
        ("--seed", 2**80, "--samples", 2),
        ("--samples", 2),
        ("--model", "default-3mm"),
        ("--refine", 10**12),
    ],
)
def test_options_that_cannot_be_served_are_refused_before_images_are_read(words, tmp_path, command):
    absent = tmp_path / "absent.nii.gz"
    code, shown, error = command("register", absent, absent, "-o", tmp_path / "out", *words)
    assert code == 2
    assert not shown
    assert "absent" not in error.splitlines()[-1]
    assert "expected" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [("--spacing", "inf"), ("--spacing", "nan"), ("--sigma", "1e300"), ("--window", 10**9 + 1)],
)
def test_numbers_that_are_none_are_refused(words, brain_files, tmp_path, command):
    code, shown, error = command("fit", *brain_files, "-o", tmp_path / "out", *words)
    assert code == 2
    assert not shown
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_is_answered_by_those_that_ship(brain_files, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path / "out", "--model", "default-3mm")
    assert (
        "default-1mm, default-2mm, probabilistic, quicksilver-2017), found default-3mm"
        in command(*words)[2]
    )
