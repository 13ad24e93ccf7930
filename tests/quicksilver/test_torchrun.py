"""Templates and labels by the processes that torchrun starts, on small brains."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.quicksilver.atlases import write_atlases
from tests.quicksilver.processes import quicksilver_process

pytestmark = pytest.mark.slow


def start_processes(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as `torchrun --nproc-per-node 2 -m quicksilver WORDS` does."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    return subprocess.run(
        [sys.executable, *launch, "-m", "quicksilver", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tempfile.gettempdir(),
    )


@pytest.fixture(scope="module")
def brains(tmp_path_factory) -> Path:
    return write_atlases(tmp_path_factory.mktemp("brains"))


def test_a_template(brains, model_file, tmp_path):
    words = ["template", *(brains / f"atlas{n}.nii.gz" for n in (1, 2, 3))]
    words += ["--rounds", 2, "--model", model_file, "-o"]
    shared = start_processes(*words, tmp_path / "shared")
    assert shared.returncode == 0, shared.stderr
    assert shared.stdout.count("round 2: the template moved by") == 1
    alone = quicksilver_process(*words, tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    found, expected = (tmp_path / name / "template.nii.gz" for name in ("shared", "alone"))
    assert found.read_bytes() == expected.read_bytes()


def test_labels(brains, model_file, tmp_path):
    words = ["label", brains / "image.nii.gz", "--model", model_file]
    for number in (1, 2, 3):
        words += ["--atlas", brains / f"atlas{number}.nii.gz"]
        words += ["--atlas-labels", brains / f"labels{number}.nii.gz"]
    shared = start_processes(*words, "-o", tmp_path / "shared")
    assert shared.returncode == 0, shared.stderr
    alone = quicksilver_process(*words, "-o", tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    for name in ("labels.nii.gz", "volumes.csv"):
        found, expected = (tmp_path / run / name for run in ("shared", "alone"))
        assert found.read_bytes() == expected.read_bytes()


def test_one_process_that_fails_ends_all(brains, model_file, tmp_path):
    (tmp_path / "text.nii.gz").write_text("no image")
    words = ("template", brains / "atlas1.nii.gz", tmp_path / "text.nii.gz")
    ended = start_processes(*words, "--model", model_file, "-o", tmp_path / "out")
    assert ended.returncode != 0
    assert "quicksilver: expected" in ended.stderr
    assert not (tmp_path / "out" / "template.nii.gz").exists()
