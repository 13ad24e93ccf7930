"""The command as an interface of nipype, run by the package itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.images import read_image

pytest.importorskip("nipype")

from nipype import Node
from traits.api import TraitError

from quicksilver.bridges.nipype import OUTPUTS, Register


@pytest.fixture(autouse=True)
def program(tmp_path, monkeypatch) -> None:
    """The command of this interpreter, wherever it is installed."""
    script = tmp_path / "bin/quicksilver"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m quicksilver "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NIPYPE_NO_ET", "1")  # nipype asks no server for its newest version
    monkeypatch.chdir(tmp_path)


def test_a_node_has_all_files(brain_files, brains, model_file, tmp_path):
    node = Node(Register(model=str(model_file), device="cpu"), "register", base_dir=tmp_path)
    node.inputs.moving, node.inputs.target = map(str, brain_files)
    outputs = node.run().outputs
    assert {Path(getattr(outputs, name)).name for name in OUTPUTS} == set(OUTPUTS.values())
    warped = read_image(outputs.warped)
    assert warped.data.shape == brains[1].data.shape
    assert np.allclose(warped.affine, brains[1].affine, atol=1e-5)


def test_the_command_line(brain_files):
    moving, target = map(str, brain_files)
    node = Register(moving=moving, target=target, output="OUT", refine=2, strip=True)
    words = node.cmdline.split()
    assert words[:4] == ["quicksilver", "register", moving, target]
    assert sorted(words[4:]) == sorted(["--output", "OUT", "--refine", "2", "--strip"])


def test_bad_input_is_refused(brain_files):
    with pytest.raises(TraitError):
        Register(moving="absent.nii.gz")
    with pytest.raises(TraitError):
        Register(refine=-1)
    node = Register(moving=str(brain_files[0]), target=str(brain_files[1]), model="absent")
    with pytest.raises(QuicksilverError, match="found absent; choose one of these"):
        node.run()
