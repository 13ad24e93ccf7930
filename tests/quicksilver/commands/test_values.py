"""Values of options that no command can use: refused before anything is read or written."""

from __future__ import annotations

import pytest

ABSENT = "absent.nii.gz"
REGISTER = ("register", ABSENT, ABSENT, "-o", "out")
FIT = ("fit", ABSENT, ABSENT, "-o", "out")
APPLY = ("apply", "--transform", "absent.mat", ABSENT, "-o", "out.nii.gz")
JACOBIAN = ("jacobian", "absent", "-o", "out.nii.gz")
EVALUATE = ("evaluate", "absent", "--moving-labels", ABSENT, "--target-labels", ABSENT)
TRAIN = ("train", "default-2mm", "--data", ".", "-o", "out")
IMPORT = ("import-weights", "absent.pth.tar", "-o", "out.safetensors")
LABEL = ("label", ABSENT, "--atlas", ABSENT, "--atlas-labels", ABSENT, "-o", "out")
TEMPLATE = ("template", ABSENT, ABSENT, "-o", "out")
STRIP = ("strip", ABSENT, "-o", "out.nii.gz")
DEMO = ("demo", "-o", "out")

VALUES = {
    "--steps": ["0", "-1", "1.5", "many", "1e9", "nan", str(10**30)],
    "--seed": ["-1", "0.5", "now", str(10**30)],
    "--jobs": ["0", "-1", "half"],
    "--samples": ["-1", "0.5", "some"],
    "--refine": ["-1", "0.5", "well"],
    "--device": ["cuda:-1", "cuda:x", "gpu", "hpu", "cpu:77", "\x1b[31mred"],
    "--spacing": ["0", "-1", "nan", "inf", "2mm"],
    "--sigma": ["0", "-1", "nan", "inf", "loud"],
    "--window": ["0", "-3", "4", "2.5", str(10**30)],
    "--batch": ["0", "-1", "all"],
    "--loss": ["l2", "LNCC "],
    "--method": ["adam", ""],
    "--fill": ["nothing", "", "nan", "inf", "-inf"],
    "--fusion": ["vote", "JOINT", "1"],
    "--rounds": ["0", "-1", "1.5", "many", "1e9", str(10**30)],
    "--alpha": ["-1", "nan", "inf", "1e300", "soft"],
    "--gamma": ["0", "-1", "nan", "1e300"],
    "--iterations": ["5", "-1", "many"],
    "--out-format": ["nifti", "FSL "],
    "--magic": ["1"],
}
COMMANDS = {
    "register": (REGISTER, ("--steps", "--seed", "--jobs", "--samples", "--refine", "--device")),
    "fit": (FIT, ("--steps", "--spacing", "--sigma", "--window", "--batch", "--loss", "--method")),
    "fit on": (FIT, ("--device", "--magic")),
    "apply": (APPLY, ("--fill", "--magic")),
    "jacobian": (JACOBIAN, ("--magic",)),
    "evaluate": (EVALUATE, ("--magic",)),
    "train": (TRAIN, ("--device", "--magic")),
    "import": (IMPORT, ("--magic",)),
    "register maps": (REGISTER, ("--out-format", "--magic")),
    "fit numbers": (FIT, ("--alpha", "--gamma", "--iterations", "--out-format")),
    "label": (LABEL, ("--fusion", "--refine", "--jobs", "--device", "--magic")),
    "template": (TEMPLATE, ("--rounds", "--spacing", "--refine", "--jobs", "--device", "--magic")),
    "strip": (STRIP, ("--magic",)),
    "demo": (DEMO, ("--seed", "--device", "--magic")),
    "view": (("view", "absent"), ("--magic",)),
    "doctor": (("doctor",), ("--magic",)),
}
CASES = [
    (name, option, value)
    for name, (_, options) in COMMANDS.items()
    for option in options
    for value in VALUES[option]
]


@pytest.mark.parametrize(("name", "option", "value"), CASES)
def test_a_value_is_refused(name, option, value, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, shown, error = command(*COMMANDS[name][0], option, value)
    assert code == 2
    assert not shown
    assert "Traceback" not in error
    assert "\x1b[31m" not in error
    assert "absent" not in error.splitlines()[-1], "the files were looked at first"
    assert not list(tmp_path.iterdir())


def test_commands_alone_ask_for_what_they_need(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb in (
        *("register", "fit", "apply", "jacobian", "evaluate", "train", "import-weights"),
        *("label", "template", "strip", "view"),
    ):
        code, shown, error = command(verb)
        assert (code, shown) == (2, ""), verb
        assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["default-3mm", "\x1b[31mred", "n" * 300, "."])
@pytest.mark.parametrize("words", [REGISTER, LABEL, TEMPLATE, DEMO], ids=lambda words: words[0])
def test_a_model_that_is_none_is_refused(words, name, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = command(*words, "--model", name)
    assert code == 2
    assert error.splitlines()[-1].startswith("quicksilver: expected")
    assert "\x1b[31m" not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "1e9", str(10**30), "\x1b[31m"])
@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK", "WORLD_SIZE"])
def test_numbers_of_processes_that_are_none_are_refused(
    variable, value, tmp_path, command, monkeypatch, brain_files, model_file
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    if variable == "LOCAL_RANK":  # which only --device auto reads
        words = ("register", *brain_files, "-o", "out", "--model", model_file)
    else:
        words = ("template", *brain_files, "-o", "out", "--model", model_file, "--device", "cpu")
    code, _, error = command(*words)
    assert code == 2
    assert f"expected {variable} in the environment" in error
    assert "\x1b[31m" not in error
    assert not list(tmp_path.iterdir())
