"""Figures, whatever MPLBACKEND says."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import os
from quicksilver.runtime.figures import make_figure
make_figure(figsize=(1, 1)).savefig(os.devnull, format="png")
assert os.environ["MPLBACKEND"] == "garbage"
"""


def test_a_backend_that_does_not_exist_is_not_asked():
    environment = {**os.environ, "MPLBACKEND": "garbage"}
    words = [sys.executable, "-c", CODE]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
