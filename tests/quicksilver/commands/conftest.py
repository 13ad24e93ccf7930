from __future__ import annotations

from pathlib import Path

import pytest

from quicksilver.results.folder import save_registration


@pytest.fixture(scope="module")
def out(registration, tmp_path_factory) -> Path:
    """A folder of a registration."""
    folder = tmp_path_factory.mktemp("apply") / "out"
    save_registration(registration, folder)
    return folder
