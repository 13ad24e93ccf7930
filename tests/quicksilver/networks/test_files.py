"""Model files."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from quicksilver.errors import QuicksilverError
from quicksilver.networks.dropout import find_dropout
from quicksilver.networks.files import load_model, save_model
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork
from quicksilver.networks.published import load_published
from quicksilver.networks.shipped import default_model


def patches(seed):
    return torch.rand(2, 1, *[PATCH_SIZE] * 3, generator=torch.Generator().manual_seed(seed))


def same_up_to_half_precision(a: PatchNetwork, b: PatchNetwork) -> bool:
    state = b.state_dict()
    return all(torch.equal(v.half(), state[k].half()) for k, v in a.state_dict().items())


@pytest.mark.parametrize("corrected", [0, 1, 2])
def test_a_model_survives_its_file(tmp_path, corrected):
    config = ModelConfig(
        features=3,
        dropout=True,
        dropout_rate=0.05,
        spacing=1.5,
        steps=7,
        sharpness=0.7,
        coarse_corrections=3,
        training_data="none",
        results={"overlap": 0.5},
    )
    networks = [config.network() for _ in range(1 + corrected)]
    model = Model(config, *networks)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config == config
    assert list(loaded.networks()) == list(model.networks())
    for ours, theirs in zip(model.networks().values(), loaded.networks().values(), strict=True):
        assert same_up_to_half_precision(ours, theirs)
        assert not theirs.training
        assert theirs.sharpness == 0.7
        assert {layer.p for layer in find_dropout(theirs)} == {0.05}
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_files_are_in_half_precision_and_predict_in_single(tmp_path):
    save_model(Model(ModelConfig(2), PatchNetwork(2)), tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        names = file.keys()
        assert {file.get_tensor(name).dtype for name in names} == {torch.float16}
    prediction = load_model(tmp_path / "m.safetensors").prediction
    assert prediction(patches(0), patches(1)).dtype == torch.float32


def test_single_precision_is_kept_where_the_model_says_so(tmp_path):
    network = PatchNetwork(2)
    save_model(Model(ModelConfig(2, precision="single"), network), tmp_path / "m.safetensors")
    state = load_model(tmp_path / "m.safetensors").prediction.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_the_scale_of_intensities_is_one_of_two(tmp_path):
    for intensity in ("percentile", "maximum"):
        config = ModelConfig(2, intensity=intensity)
        save_model(Model(config, PatchNetwork(2)), tmp_path / "m.safetensors")
        assert load_model(tmp_path / "m.safetensors").config.intensity == intensity
    assert default_model().config.intensity == "percentile", "of version 0.1, which had a sentence"
    config = ModelConfig(2, intensity="by eye")
    save_model(Model(config, PatchNetwork(2)), tmp_path / "m.safetensors")
    with pytest.raises(QuicksilverError, match="by eye"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("load", [load_model, load_published])
@pytest.mark.parametrize("content", [None, b"", b"these are not weights at all"])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path, load, content):
    path = tmp_path / "model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(QuicksilverError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_file_with_other_tensors_is_refused(tmp_path):
    save_model(Model(ModelConfig(3), PatchNetwork(2)), tmp_path / "m.safetensors")
    with pytest.raises(QuicksilverError, match="other tensors"):
        load_model(tmp_path / "m.safetensors")
