"""Every command, given any of the files of `hostile`, ends in one sentence and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quicksilver.errors import QuicksilverError
from quicksilver.io.images import read_series
from quicksilver.training.recipe import RECIPES
from tests.quicksilver.hostile import (
    bids,
    formats,
    images,
    models,
    points,
    results,
    texts,
    transforms,
)
from tests.quicksilver.hostile.files import good_nifti
from tests.quicksilver.hostile.lines import words

FILES = {
    "IMAGES": images.IMAGES,
    "FORMATS": formats.FORMATS,
    "RESULTS": results.RESULTS,
    "POINTS": points.POINTS,
    "TRANSFORMS": transforms.TRANSFORMS,
    "MODELS": models.MODELS,
    "LISTS": texts.LISTS,
    "RECIPES": texts.RECIPES,
}

RECIPE = Path(str(RECIPES / "default-2mm.yaml"))


@pytest.fixture(scope="module")
def good(tmp_path_factory, model_file) -> Path:
    """A folder with a usable one of everything: image, affine, registration, model."""
    folder = tmp_path_factory.mktemp("good")
    transforms.result_folder()(folder)
    for name in ("image.nii", "other.nii"):
        (folder / name).write_bytes(good_nifti())
    (folder / "affine.txt").write_bytes(
        transforms.itk("AffineTransform_double_3_3", "1 0 0 0 1 0 0 0 1 0 0 0")
    )
    (folder / "model").symlink_to(model_file)
    (folder / "points.csv").write_text("x,y,z\n1,2,3\n")
    return folder


VERBS = {
    "IMAGES": ("register moving", "apply to"),
    "FORMATS": ("apply to",),
    "POINTS": ("apply to",),
    "TRANSFORMS": ("apply", "apply OUT", "jacobian"),
    "MODELS": ("model", "import"),
    "LISTS": ("fit pairs", "register pairs"),
    "RECIPES": ("train",),
    "RESULTS": ("apply result", "evaluate result"),
}
IN_TURN = {
    "IMAGES": (
        *("register target", "fit", "evaluate", "jacobian", "label", "label labels", "label mask"),
        *("register mask", "register affine", "fit mask", "fit state", "apply map", "strip"),
        *("evaluate map", "view", "template"),
    ),
    "FORMATS": (
        *("register moving", "register target", "fit", "evaluate", "label", "label labels"),
        *("register mask", "register affine", "fit state", "strip", "view", "template"),
    ),
    "TRANSFORMS": ("apply inverse", "register affine", "apply map", "evaluate map"),
    "MODELS": ("label model", "template model", "demo", "import correction"),
    "LISTS": ("label names", "fit state", "view"),
    "RESULTS": ("jacobian", "apply map"),
}
"""Further verbs, each of which meets some of the files."""

FINE = {
    *(("apply to", name) for name in ("all zero", "NRRD of zeros", "MetaImage of zeros")),
    *((verb, "NRRD, not zipped") for verb in ("apply to", *IN_TURN["FORMATS"])),
    *(("fit state", name) for name in ("absent", "empty")),
}
"""What a command takes: a map of lesions may have none; zlib reads what is not packed as it is."""


def choose_in_turn(verbs: tuple[str, ...], number: int) -> tuple[str, ...]:
    return (verbs[number % len(verbs)],) if verbs else ()


CASES = [
    (verb, kind, name)
    for kind, verbs in VERBS.items()
    for number, name in enumerate(FILES[kind])
    for verb in (*verbs, *choose_in_turn(IN_TURN.get(kind, ()), number))
    if (verb, name) not in FINE
]


def listing(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


DEFECTS = (
    "one patch",  # it was read, and refused for its size
    *("is not defined", "has no attribute", "unexpected keyword", "unsupported operand"),
)
"""Words of sentences that say the wrong thing."""


@pytest.mark.parametrize(("verb", "kind", "name"), CASES)
@pytest.mark.usefixtures("deepbet")
def test_one_sentence(verb, kind, name, good, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    bad = FILES[kind][name](tmp_path / "in")
    before = listing(tmp_path), listing(good)
    code, shown, error = command(*words(verb, good, bad, tmp_path / "out"))
    assert code == 2
    assert shown == ""
    # Where the error is no terminal, the progress of the stage so far stands before the sentence.
    sentence = error.strip().splitlines()[-1]
    assert sentence.startswith("quicksilver: expected"), error
    assert error.count("quicksilver:") == 1, error
    assert "found" in sentence
    assert ";" in sentence
    assert "Traceback" not in error
    assert not any(character in error for character in "\x1b\x07\x00")
    assert not any(words in sentence for words in DEFECTS)
    assert (listing(tmp_path), listing(good)) == before, "something was left behind"


OUTPUTS = {
    "a device": "/dev/null",
    "a device by a link": "link.nii",
    "a folder": "folder.nii",
    "a name too long": "n" * 300 + ".nii",
    "in no folder": "absent/out.nii",
    "below a file": "file/out.nii",
    "another suffix": "out.txt",
    "no suffix": "out",
    "a loop": "loop.nii",
    "a file": "file",
}


def write_obstacles(folder: Path) -> None:
    """Put into the way of outputs what no file or folder can take the place of."""
    (folder / "folder.nii").mkdir()
    (folder / "file").write_text("")
    (folder / "link.nii").symlink_to("/dev/null")
    (folder / "loop.nii").symlink_to("loop.nii")


def write_to(verb: str, good: Path) -> list[object]:
    """Return a command line that lacks its output."""
    image, small = good / "image.nii", ("--model", good / "model")
    return {
        "apply": ["apply", good, image],
        "jacobian": ["jacobian", good],
        "strip": ["strip", image],
        "register": ["register", image, image, *small],
        "fit": ["fit", image, image],
        "label": ["label", image, "--atlas", image, "--atlas-labels", image, *small],
        "template": ["template", image, good / "other.nii", *small],
        "demo": ["demo", *small],
        "train": ["train", RECIPE, "--data", good],
    }[verb]


TAKEN = ("a loop", "a file")
"""What a file may take the place of, and a folder may not."""

FOLDERS = ("a device", "a device by a link", "a name too long", "below a file", *TAKEN)
WRITTEN = [
    (verb, name) for verb in ("apply", "jacobian", "strip") for name in OUTPUTS if name not in TAKEN
] + [
    (verb, name)
    for verb in ("register", "fit", "label", "template", "demo", "train")
    for name in FOLDERS
]


@pytest.mark.parametrize(("verb", "name"), WRITTEN)
@pytest.mark.usefixtures("deepbet")
def test_what_cannot_be_written(verb, name, good, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_obstacles(tmp_path)
    before = listing(tmp_path)
    code, _, error = command(*write_to(verb, good), "-o", OUTPUTS[name])
    assert code == 2
    sentence = error.strip().splitlines()[-1]
    assert sentence.startswith("quicksilver: expected")
    assert "found" in sentence
    assert "one patch" not in sentence
    assert listing(tmp_path) == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("kind", ["IMAGES", "MODELS"])
def test_one_sentence_of_a_process(kind, good, tmp_path):
    bad = FILES[kind]["a pipe"](tmp_path)
    line = words(VERBS[kind][0], good, bad, tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-m", "quicksilver", *map(str, line)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("quicksilver: expected")


@pytest.mark.parametrize("name", bids.FOLDERS)
def test_a_folder_of_bids(name, good, tmp_path, command):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    expected, make = bids.FOLDERS[name]
    make(folder)
    words = ("register", folder, good / "image.nii", "-o", out, "--model", good / "model")
    code, _, error = command(*words)
    assert code == expected
    assert "Traceback" not in error
    assert "\x1b[31m" not in error
    sentence = error.strip().splitlines()[-1]
    begin = "quicksilver" if code == 2 else "failed: sub-01_T1w"
    assert sentence.startswith(f"{begin}: expected")
    assert out.exists() == (code == 1)


@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
@example([(111, 95)])  # voxels that begin 1e19 bytes into the file
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_header_is_read_or_refused(tmp_path, changes):
    content = bytearray(good_nifti())
    for place, value in changes:
        content[place] = value
    (tmp_path / "image.nii").write_bytes(content)
    try:
        volumes, grid = read_series(tmp_path / "image.nii")
    except QuicksilverError as error:
        sentence = str(error)
        assert "expected" in sentence
        assert "found" in sentence
    else:
        assert np.isfinite(volumes).all()
        assert volumes.shape[:3] == grid.shape
        assert np.isfinite(np.linalg.inv(grid.affine)).all()


def test_there_are_many():
    assert len({(kind, name) for _, kind, name in CASES}) >= 450
    assert len(CASES) >= 900
