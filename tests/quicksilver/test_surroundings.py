"""What surrounds the command is not as it should be: locale, terminal, folders, threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.quicksilver.hostile.transforms import result_folder

SURROUNDINGS = {
    "text that only knows ASCII": {"PYTHONIOENCODING": "ascii"},
    "the locale C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "folders that are not there": {"TMPDIR": "/absent", "HOME": "/absent"},
    "words for numbers": {"COLUMNS": "many", "LINES": "-1", "TERM": "\x1b[31m"},
    "a drawing library of nothing": {"MPLBACKEND": "module://absent", "MPLCONFIGDIR": "/dev/null"},
    "no GPU of that name": {"CUDA_VISIBLE_DEVICES": "magic"},
    "words for threads": {"OMP_NUM_THREADS": "many", "MKL_NUM_THREADS": "-1"},
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_command_works_in(name, tmp_path):
    """Or says in one sentence what it misses."""
    made = result_folder()(tmp_path)
    folder = tmp_path / "脑\u202e"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "quicksilver", "jacobian", made, "-o", folder / "a.nii"],
        env={**os.environ, **SURROUNDINGS[name]},
        capture_output=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"a.nii: " in done.stdout
    assert (folder / "a.nii").exists()
