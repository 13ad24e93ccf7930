"""Model files: ours and the published layout."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from quicksilver.errors import QuicksilverError
from quicksilver.networks.model import (
    Model,
    ModelConfig,
    default_model,
    load_model,
    load_published,
    open_model,
    save_model,
    shipped_models,
)
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork


def patches(seed):
    return torch.rand(2, 1, *[PATCH_SIZE] * 3, generator=torch.Generator().manual_seed(seed))


def same_up_to_half_precision(a: PatchNetwork, b: PatchNetwork) -> bool:
    state = b.state_dict()
    return all(torch.equal(v.half(), state[k].half()) for k, v in a.state_dict().items())


def checkpoint(network: PatchNetwork, features: int, prefix: str = "", **more):
    """A checkpoint in the layout that the original Quicksilver publishes."""
    return {
        "patch_size": 15,
        "network_feature": features,
        "state_dict": {prefix + k: v for k, v in network.state_dict().items()},
        "deformation_params": {
            "diffOpParams": [0.01, 0.02, 0.003],
            "integMethod": "RK4",
            "timeSteps": 10,
            "NIterForInverse": 20,
        },
        **more,
    }


@pytest.mark.parametrize("corrected", [0, 1, 2])
def test_a_model_survives_its_file(tmp_path, corrected):
    config = ModelConfig(
        features=3,
        dropout=True,
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
        assert not theirs.training and theirs.sharpness == 0.7
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


def test_the_metric_of_a_model_is_the_one_in_its_file():
    config = ModelConfig(2, metric={"alpha": 0.1, "beta": 0.2, "gamma": 0.3, "power": 2})
    metric = config.fluid_metric()
    assert (metric.alpha, metric.beta, metric.gamma, metric.power) == (0.1, 0.2, 0.3, 2)
    assert metric.pad == 4  # 3.5 decay lengths sqrt(0.3 / 0.3)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_published_checkpoint_loads_key_for_key(tmp_path, prefix):
    networks = [PatchNetwork(2), PatchNetwork(2)]
    for network, name in zip(networks, ("predict.pth.tar", "correct.pth.tar"), strict=True):
        torch.save(checkpoint(network, 2, prefix), tmp_path / name)
    model = load_published(tmp_path / "predict.pth.tar", tmp_path / "correct.pth.tar")
    for network, loaded in zip(networks, model.networks().values(), strict=True):
        for key, value in network.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value)
    config = model.config
    assert (config.method, config.steps, config.borders, config.spacing) == (
        "rk4",
        10,
        "original",
        1.0,
    )
    assert config.metric == {"alpha": 0.01, "beta": 0.02, "gamma": 0.003, "power": 1}
    assert config.inverse_iterations == 20


def broken(network, kind):
    state = checkpoint(network, 2)
    if kind == "no features":
        del state["network_feature"]
    elif kind == "other width":
        state["network_feature"] = 3
    elif kind == "no tensors":
        state["state_dict"] = {"encoder_m_1.conv_input.weight": 1}
    elif kind == "no steps":
        del state["deformation_params"]["timeSteps"]
    elif kind == "two numbers":
        state["deformation_params"]["diffOpParams"] = [0.01, 0.01]
    elif kind == "other patches":
        state["patch_size"] = 31
    elif kind == "other integrator":
        state["deformation_params"]["integMethod"] = "EULER"
    elif kind == "a list":
        return [state]
    elif kind == "an object":
        state["state_dict"] = network
    return state


KINDS = [
    "no features", "other width", "no tensors", "no steps", "two numbers", "other patches",
    "other integrator", "a list", "an object",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_another_layout_is_refused_in_one_sentence(tmp_path, kind):
    path = tmp_path / "predict.pth.tar"
    torch.save(broken(PatchNetwork(2), kind), path)
    with pytest.raises(QuicksilverError) as error:
        load_published(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_two_checkpoints_of_different_width_are_refused(tmp_path):
    for width in (2, 3):
        torch.save(checkpoint(PatchNetwork(width), width), tmp_path / f"{width}.pth.tar")
    with pytest.raises(QuicksilverError, match="3 features"):
        load_published(tmp_path / "2.pth.tar", tmp_path / "3.pth.tar")


@pytest.mark.parametrize("load", [load_model, load_published])
@pytest.mark.parametrize("content", [None, b"", b"these are not weights at all"])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path, load, content):
    path = tmp_path / "model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(QuicksilverError) as error:
        load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_model_file_with_other_tensors_is_refused(tmp_path):
    save_model(Model(ModelConfig(3), PatchNetwork(2)), tmp_path / "m.safetensors")
    with pytest.raises(QuicksilverError, match="other tensors"):
        load_model(tmp_path / "m.safetensors")


def test_models_that_ship_are_opened_by_their_names():
    assert "default-2mm" in shipped_models()
    for name in shipped_models():
        config = open_model(name).config
        assert name == f"default-{config.spacing:g}mm" and config.licence and config.results
