"""The benchmarks of operators on a bare machine: torch, this repository, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.measuring.machine import ROOT

OPTIONAL = (
    "nibabel",
    "pydantic",
    "isal",
    "matplotlib",
    "SimpleITK",
    "typer",
    "yaml",
    "safetensors",
)
SCRIPT = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
sys.path.append({str(ROOT)!r})
from benchmarks.__main__ import main
main(sys.argv[1:])
"""


def test_operators_are_measured_without_optional_packages_and_git(tmp_path):
    words = ["--operators", "--smoke", "--only", "ssd", "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    [file] = tmp_path.glob("*.json")
    content = json.loads(file.read_text())
    assert content["cases"]
    assert content["machine"]["commit"] == "unknown"
