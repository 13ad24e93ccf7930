"""The examples run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import quicksilver_ext as qs

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_cupy_and_torch(tmp_path):
    pytest.importorskip("cupy")
    if not qs.info()["cuda"]["usable"]:
        pytest.skip("no device")
    file = EXAMPLES / "cupy_and_torch.py"
    run = subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "the same result" in run.stdout
