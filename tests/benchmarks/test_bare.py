"""The benchmarks of operators on a bare machine: torch, this repository, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measuring.machine import ROOT

BARE = Path(__file__).parent / "bare"


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run an interpreter that lacks the optional packages, and git."""
    path = os.pathsep.join([str(BARE), *filter(None, sys.path), str(ROOT)])
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )


@pytest.mark.parametrize("only", ["ssd", "predict"])
def test_operators_are_measured_without_optional_packages_and_git(tmp_path, only):
    words = ["--operators", "--smoke", "--only", only, "--output", str(tmp_path)]
    done = python("-m", "benchmarks", *words)
    assert done.returncode == 0, done.stderr
    [file] = tmp_path.glob("*.json")
    content = json.loads(file.read_text())
    assert content["cases"]
    assert content["machine"]["commit"] == "unknown"


@pytest.mark.parametrize("name", ["nibabel", "pydantic", "isal", "nilearn"])
def test_that_interpreter_lacks_them(name):
    done = python("-c", f"import {name}")
    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr
