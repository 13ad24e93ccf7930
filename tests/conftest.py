"""Fixtures of all tests: the folder of real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[1].parent / "shared"  # beside the repository, or absent
SHARED = Path(os.environ.get("QUICKSILVER_TEST_DATA", BESIDE))

# A plugin, which looks for what it needs when it is imported; what hides packages from others.
collect_ignore = ["emulated.py", "benchmarks/bare/sitecustomize.py"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and oracles; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}")
    return SHARED
