"""`quicksilver view`: the page of a pair or of a cohort, in the browser."""

from __future__ import annotations

import webbrowser

import pytest


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The addresses that a browser was asked to open."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: addresses.append(url) or True)
    return addresses


@pytest.mark.parametrize("name", ["report.html", "index.html"])
def test_the_page_of_a_folder_is_opened(name, tmp_path, opened, command, monkeypatch):
    folder = tmp_path / "a folder #1"
    folder.mkdir()
    (folder / name).write_text("")
    monkeypatch.chdir(tmp_path)
    code, shown, error = command("view", folder.name)
    assert (code, shown, error) == (0, f"{folder.name}/{name}\n", "")
    assert opened == [(folder / name).as_uri()]


def test_a_machine_without_a_browser_is_told_the_path(tmp_path, command, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    (tmp_path / "report.html").write_text("")
    code, shown, error = command("view", tmp_path)
    assert (code, shown) == (0, f"{tmp_path}/report.html\n")
    assert "no browser" in error


@pytest.mark.parametrize("name", ["empty", "absent", "file", "x" * 300])
def test_a_folder_without_a_page_is_refused(name, tmp_path, opened, command):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    code, shown, error = command("view", tmp_path / name)
    assert (code, shown, opened) == (2, "", [])
    assert error.startswith("quicksilver: expected a folder with report.html or index.html, found")
