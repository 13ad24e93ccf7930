"""Run the command line as a user does, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

OUTPUTS = {
    "warped.nii.gz",
    "affine.mat",
    "displacement.nii.gz",
    "inverse_displacement.nii.gz",
    "momentum.nii.gz",
    "jacobian.nii.gz",
    "result.json",
    "report.html",
    "report.png",
}
"""All files that a registration writes."""


KILLED = """
import os, signal, sys
from pathlib import Path
from quicksilver import cli
left, rename = [int(sys.argv.pop(1))], Path.replace
def die(self, other):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return rename(self, other)
Path.replace = die
cli.main()
"""
"""The command line, killed instead of its n-th renaming of a file; n is the first argument."""


def quicksilver_process(*words: object) -> subprocess.CompletedProcess[str]:
    return python_process("-m", "quicksilver", *words)


def python_process(*words: object) -> subprocess.CompletedProcess[str]:
    # Not in the checkout: there, its quicksilver_ext without compiled core would be imported.
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tempfile.gettempdir(),
    )


def assert_refused(command, words, folder: Path) -> None:
    """Run the command: it ends with one sentence and exit code 2, and the folder stays as it is."""
    before = sorted(folder.rglob("*"))
    code, shown, error = command(*words)
    assert code == 2
    assert not shown
    assert error.strip().splitlines()[-1].startswith("quicksilver: expected")
    assert "Traceback" not in error
    assert sorted(folder.rglob("*")) == before
