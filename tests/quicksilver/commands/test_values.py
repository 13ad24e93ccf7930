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
    "--fill": ["nothing", ""],
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
    for verb in ("register", "fit", "apply", "jacobian", "evaluate", "train", "import-weights"):
        code, shown, error = command(verb)
        assert (code, shown) == (2, ""), verb
        assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
