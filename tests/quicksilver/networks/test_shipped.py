"""Models that ship."""

from __future__ import annotations

from quicksilver.networks.dropout import find_dropout
from quicksilver.networks.patch import PatchNetwork
from quicksilver.networks.shipped import open_model, shipped_models


def test_models_that_ship_are_opened_by_their_names():
    assert shipped_models() == ["default-1mm", "default-2mm", "probabilistic", "quicksilver-2017"]
    for name in shipped_models():
        config = open_model(name).config
        if name.startswith("default"):
            assert name == f"default-{config.spacing:g}mm"
        assert config.licence
        assert config.results


def test_the_paper_s_system_ships():
    model = open_model("quicksilver-2017")
    assert isinstance(model.prediction, PatchNetwork)
    assert isinstance(model.correction, PatchNetwork)
    assert (model.config.patch_size, model.config.stride, model.config.corrections) == (15, 14, 1)


def test_the_probabilistic_model_predicts_with_dropout():
    model = open_model("probabilistic")
    assert {layer.p for layer in find_dropout(model.prediction)} == {0.05}
    assert model.correction is None
