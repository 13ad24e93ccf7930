"""Files that are complete or absent."""

from __future__ import annotations

import stat

import pytest

from quicksilver.io.files import replacing


def test_others_may_read_what_a_writer_kept_to_its_owner(tmp_path):
    (tmp_path / "as usual").touch()
    with replacing(tmp_path / "file") as temporary:
        temporary.touch(mode=0o600)
    modes = [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()]
    assert len(modes) == 2
    assert len(set(modes)) == 1


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as temporary:
            temporary.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [f.name for f in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "old"
