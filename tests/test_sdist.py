"""The source distribution: all that a wheel is built from is in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("csrc", "quicksilver_ext", "python")
ALONE = ("CMakeLists.txt", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
BUILD = "from setuptools import build_meta; build_meta.build_sdist('dist')"


def sources(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for name in COPIED
        for path in (folder / name).rglob("*")
        if path.is_file() and path.suffix not in (".so", ".pyc") and ".egg-info" not in str(path)
    }


def test_the_source_distribution_holds_all_that_is_compiled_and_installed(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    tree = tmp_path / "tree"
    for name in COPIED:
        ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in ALONE:
        shutil.copy(ROOT / name, tree / name)
    words = [sys.executable, "-c", BUILD]
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next((tree / "dist").glob("*.tar.gz"))) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
        member = next(name for name in archive.getnames() if name.endswith("PKG-INFO"))
        metadata = archive.extractfile(member).read().decode()
    assert sources(tree) | set(ALONE) <= found
    assert "License-Expression: Apache-2.0 AND CC-BY-SA-4.0" in metadata
