"""Models that ship."""

from __future__ import annotations

from quicksilver.networks.shipped import open_model, shipped_models


def test_models_that_ship_are_opened_by_their_names():
    assert "default-2mm" in shipped_models()
    for name in shipped_models():
        config = open_model(name).config
        assert name == f"default-{config.spacing:g}mm"
        assert config.licence
        assert config.results
