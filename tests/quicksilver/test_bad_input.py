"""Every command, given any of the files of `hostile`, ends in one sentence and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.quicksilver import hostile

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "default-2mm.yaml"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A folder with a usable one of everything: image, affine, registration."""
    folder = tmp_path_factory.mktemp("good")
    hostile.result_folder()(folder)
    (folder / "image.nii").write_bytes(hostile.good_nifti())
    (folder / "affine.txt").write_bytes(
        hostile.itk("AffineTransform_double_3_3", "1 0 0 0 1 0 0 0 1 0 0 0")
    )
    (folder / "points.csv").write_text("x,y,z\n1,2,3\n")
    return folder


def words(verb: str, good: Path, bad: Path, out: Path) -> list[object]:
    """A command line that would work if the file were good."""
    image, affine = good / "image.nii", good / "affine.txt"
    return {
        "register moving": ["register", bad, image, "-o", out],
        "register target": ["register", image, bad, "-o", out],
        "fit": ["fit", bad, image, "-o", out],
        "evaluate": ["evaluate", good, "--moving-labels", bad, "--target-labels", image],
        "apply to": ["apply", "--transform", affine, bad, "-o", f"{out}{''.join(bad.suffixes[-2:])}",
                     *(["--reference", image] if ".nii" in bad.name else [])],
        "reference": ["apply", "--transform", affine, image, "-o", f"{out}.nii", "--reference", bad],
        "apply": ["apply", "--transform", bad, image, "-o", f"{out}.nii"],
        "apply OUT": ["apply", bad, good / "points.csv", "-o", f"{out}.csv"],
        "apply inverse": ["apply", "--transform", f"[{bad},1]", image, "-o", f"{out}.nii"],
        "jacobian": ["jacobian", bad, "-o", f"{out}.nii"],
        "model": ["register", image, image, "-o", out, "--model", bad],
        "import": ["import-weights", bad, "-o", f"{out}.safetensors"],
        "fit pairs": ["fit", "--pairs", bad, "-o", out],
        "train": ["train", bad, "--data", good, "-o", out],
    }[verb]  # fmt: skip


VERBS = {
    "IMAGES": ("register moving", "apply to"),
    "POINTS": ("apply to",),
    "TRANSFORMS": ("apply", "apply OUT", "jacobian"),
    "MODELS": ("model", "import"),
    "LISTS": ("fit pairs",),
    "RECIPES": ("train",),
}
IN_TURN = {
    "IMAGES": ("register target", "fit", "evaluate", "reference"),
    "TRANSFORMS": ("apply inverse",),
}
"""Further verbs, each of which meets some of the files."""

CASES = [
    (verb, kind, name)
    for kind, verbs in VERBS.items()
    for number, name in enumerate(getattr(hostile, kind))
    for verb in (*verbs, *IN_TURN.get(kind, ())[number % 4 : number % 4 + 1])
]


def listing(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize(("verb", "kind", "name"), CASES)
def test_one_sentence(verb, kind, name, good, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    bad = getattr(hostile, kind)[name](tmp_path / "in")
    before = listing(tmp_path), listing(good)
    code, shown, error = command(*words(verb, good, bad, tmp_path / "out"))
    assert code == 2 and shown == ""
    # Where the error is no terminal, the progress of the stage so far stands before the sentence.
    sentence = error.strip().splitlines()[-1]
    assert sentence.startswith("quicksilver: expected") and error.count("quicksilver:") == 1, error
    assert "found" in sentence and ";" in sentence and "Traceback" not in error
    assert "one patch" not in sentence, "it was read, and refused for its size"
    assert (listing(tmp_path), listing(good)) == before, "something was left behind"


def test_there_are_many():
    assert len({(kind, name) for _, kind, name in CASES}) >= 60
