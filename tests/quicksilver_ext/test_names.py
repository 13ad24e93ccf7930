"""What the package says it has, before anything of it is used."""

from __future__ import annotations

import subprocess
import sys
import tempfile

CODE = """
import quicksilver_ext as qs
names = set(dir(qs))
assert {"warp", "shoot", "compose", "FluidMetric", "__version__"} <= names, names
"""


def test_the_operators_are_listed_before_the_first_use():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),  # what is installed is meant, not the sources here
    )
    assert done.returncode == 0, done.stderr
