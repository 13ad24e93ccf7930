"""The code of docs/conventions.md runs as it is, block after block in one session."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conventions.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def needs(block: str, package: str) -> bool:
    return re.search(rf"^(import|from) {package}\b", block, re.MULTILINE) is not None


def test_the_conversions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        if not needs(block, "voxelmorph"):
            exec(block, names)
    assert len(BLOCKS) > 8


def test_voxelmorph(tmp_path, monkeypatch):
    pytest.importorskip("voxelmorph")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)
