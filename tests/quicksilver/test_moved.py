"""Import paths of version 0.1 still lead to their modules, with a warning."""

from __future__ import annotations

import importlib
import sys

import pytest

from quicksilver._moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_leads_to_the_module_with_a_warning(old, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MOVED[old]}"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])


def test_names_can_be_imported_from_an_old_path(monkeypatch):
    monkeypatch.delitem(sys.modules, "quicksilver.recipes", raising=False)
    with pytest.warns(DeprecationWarning, match=r"quicksilver\.recipes is now"):
        from quicksilver.recipes import read_recipe
    assert read_recipe("default-2mm").name == "default-2mm"
