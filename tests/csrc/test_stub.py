"""The types of the compiled operators are those of their list."""

from __future__ import annotations

import runpy
from pathlib import Path

import quicksilver_ext._args as args

SCRIPT = Path(__file__).resolve().parents[2] / "csrc" / "bindings" / "stub.py"


def test_the_stub_is_what_the_list_says():
    script = runpy.run_path(str(SCRIPT))
    assert script["STUB"].read_text() == script["stub"](), f"run python {SCRIPT}"


def test_the_stub_names_all_that_is_compiled():
    compiled = {name for name in dir(args._core) if not name.startswith("__")}
    text = runpy.run_path(str(SCRIPT))["STUB"].read_text()
    assert all(f"def {name}(" in text or f"class {name}:" in text for name in compiled)
