"""Command lines, by name, that would work if one file were good."""

from __future__ import annotations

from pathlib import Path

Lines = dict[str, list[object]]


def words(verb: str, good: Path, bad: Path, out: Path) -> list[object]:
    """Return the command line of a name, all of whose files but `bad` are in the folder `good`."""
    every = _registering(good, bad, out) | _applying(good, bad, out) | _judging(good, bad, out)
    return (every | _grouping(good, bad, out) | _modelling(good, bad, out))[verb]


def _registering(good: Path, bad: Path, out: Path) -> Lines:
    image, both = good / "image.nii", (good / "image.nii", good / "other.nii")
    more = ("-o", out, "--model", good / "model")
    return {
        "register moving": ["register", bad, image, *more],
        "register target": ["register", image, bad, *more],
        "register reference": ["register", *both, "--reference", bad, *more],
        "register mask": ["register", *both, "--moving-mask", bad, *more],
        "register affine": ["register", *both, "--initial-affine", bad, *more],
        "register pairs": ["register", "--pairs", bad, *more],
        "fit": ["fit", bad, image, "-o", out],
        "fit mask": ["fit", *both, "-o", out, "--target-mask", bad],
        "fit state": ["fit", *both, "-o", out, "--state", bad, "--no-affine"],
        "fit pairs": ["fit", "--pairs", bad, "-o", out],
        "strip": ["strip", bad, "-o", f"{out}.nii"],
    }


def _applying(good: Path, bad: Path, out: Path) -> Lines:
    image, affine = good / "image.nii", ("--transform", good / "affine.txt")
    reference = ("--reference", image) if ".nii" in bad.name else ()
    ending = "".join(bad.suffixes[-2:])
    return {
        "apply to": ["apply", *affine, bad, "-o", f"{out}{ending}", *reference],
        "apply": ["apply", "--transform", bad, image, "-o", f"{out}.nii"],
        "apply inverse": ["apply", "--transform", f"[{bad},1]", image, "-o", f"{out}.nii"],
        "apply OUT": ["apply", bad, good / "points.csv", "-o", f"{out}.csv"],
        "apply result": ["apply", bad, image, "-o", f"{out}.nii"],
        "apply map": [
            *("apply", "--transform", bad, "--out-format", "fsl"),
            *("--reference", image, "-o", f"{out}.nii.gz"),
        ],
    }


def _judging(good: Path, bad: Path, out: Path) -> Lines:
    image = good / "image.nii"
    labels = ("--moving-labels", image, "--target-labels", image)
    return {
        "evaluate": ["evaluate", good, "--moving-labels", bad, "--target-labels", image],
        "evaluate result": ["evaluate", bad, *labels],
        "evaluate map": ["evaluate", good, *labels, "--reference-map", bad],
        "jacobian": ["jacobian", bad, "-o", f"{out}.nii"],
        "view": ["view", bad],
    }


def _grouping(good: Path, bad: Path, out: Path) -> Lines:
    image, both = good / "image.nii", (good / "image.nii", good / "other.nii")
    atlas, small = ("--atlas", image, "--atlas-labels", image), ("--model", good / "model")
    return {
        "label": ["label", bad, *atlas, "-o", out, *small],
        "label labels": ["label", image, *atlas[:3], bad, "-o", out, *small],
        "label mask": ["label", image, *atlas, "--mask", bad, "-o", out, *small],
        "label names": ["label", image, *atlas, "--label-names", bad, "-o", out, *small],
        "label model": ["label", image, *atlas, "--model", bad, "-o", out],
        "template": ["template", bad, image, "-o", out, *small],
        "template model": ["template", *both, "--model", bad, "-o", out],
    }


def _modelling(good: Path, bad: Path, out: Path) -> Lines:
    image = good / "image.nii"
    return {
        "model": ["register", image, image, "-o", out, "--model", bad],
        "import": ["import-weights", bad, "-o", f"{out}.safetensors"],
        "import correction": ["import-weights", bad, bad, "-o", f"{out}.safetensors"],
        "train": ["train", bad, "--data", good, "-o", out],
        "demo": ["demo", "-o", out, "--model", bad],
    }
