"""Small atlases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.quicksilver.atlases import write_atlases


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A folder with an image, three atlases and the names of labels."""
    return write_atlases(tmp_path_factory.mktemp("atlases"))
