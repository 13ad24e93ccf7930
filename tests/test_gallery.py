"""The gallery shows the examples as they are."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_code_is_that_of_the_examples():
    pytest.importorskip("PIL")
    script = runpy.run_path(str(DOCS / "gallery.py"))
    page = (DOCS / "gallery.md").read_text()
    files = {file.name for file in script["EXAMPLES"].iterdir() if file.suffix in (".py", ".ipynb")}
    assert {entry.file for entry in script["ENTRIES"]} == files
    for file in files:
        assert script["code_of"](file) in page, f"{file} changed: run docs/gallery.py"
