"""The one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.measuring.machine import ROOT
from benchmarks.operators import cases
from tests.benchmarks.figures import CPU


@pytest.mark.slow
def test_smoke(tmp_path):
    """The one command, tiny: complete results, a page of them, and nothing slower than itself."""
    words = [sys.executable, "-m", "benchmarks", "--smoke", "--output", str(tmp_path)]
    page = tmp_path / "page.md"
    where = {"cwd": ROOT, "env": os.environ, "capture_output": True, "text": True}
    done = subprocess.run([*words, "--document", str(page)], check=False, **where)
    assert done.returncode == 0, done.stderr
    [file] = tmp_path.glob("*.json")
    content = json.loads(file.read_text())
    assert {case.name for case in cases.cases(CPU)} <= content["cases"].keys()
    assert {"train, volumes", "train, patches", "fit"} <= content["cases"].keys()
    assert "### End to end" in page.read_text()
    again = subprocess.run([*words, "--compare", str(file), "--only", "none"], check=False, **where)
    assert again.returncode == 0, again.stderr
    assert "nothing" in again.stdout
