"""Folders of results that are none."""

import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.results import load_registration


@pytest.mark.parametrize("content", [None, "{ half"])
def test_a_folder_without_results_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(QuicksilverError, match="register first"):
        load_registration(tmp_path)
