"""The examples run as they are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import quicksilver_ext as qs

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, folder: Path) -> str:
    """Run an example; return what it prints."""
    command = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cupy_and_torch(tmp_path):
    pytest.importorskip("cupy")
    if not qs.info()["cuda"]["usable"]:
        pytest.skip("no device")
    assert "the same result" in run("cupy_and_torch.py", tmp_path)


def test_a_network_learns_through_shooting(tmp_path):
    first, last, folds = re.search(
        r"from ([\d.]+) to ([\d.]+), (\d+) voxels folded", run("network_with_shooting.py", tmp_path)
    ).groups()
    assert float(last) < 0.5 * float(first)
    assert folds == "0"


def test_instead_of_grid_sample(tmp_path):
    assert "the same image and the same gradients" in run("instead_of_grid_sample.py", tmp_path)


def test_numpy_alone(tmp_path):
    assert "without torch" in run("numpy_alone.py", tmp_path)


def test_disc_to_c(tmp_path):
    output = run("disc_to_c.py", tmp_path)
    first, last = re.search(r"difference from ([\d.]+) to ([\d.]+)", output).groups()
    assert float(last) < 0.2 * float(first)
    assert (tmp_path / "disc_to_c.gif").read_bytes().startswith(b"GIF")


def test_the_notebook_of_a_registration(tmp_path):
    """Its code runs as it is, and no output of an earlier run is kept in it."""
    cells = [
        cell
        for cell in json.loads((EXAMPLES / "register.ipynb").read_text())["cells"]
        if cell["cell_type"] == "code"
    ]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    code = "\n".join("".join(cell["source"]) for cell in cells)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    correlation, folds = re.search(
        r"correlation ([\d.]+), folded voxels (\d+)", done.stdout
    ).groups()
    assert float(correlation) > 0.95
    assert folds == "0"
    assert (tmp_path / "registered" / "affine.mat").exists()
