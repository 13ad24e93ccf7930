"""Published checkpoints, end to end: what they mean, computed without the package's network."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.resampling import make_working_grid, resample
from quicksilver.io.images import read_image
from quicksilver.networks.files import load_model
from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork
from quicksilver.networks.published import load_published

WIDTH = 2


SETTINGS = {
    "diffOpParams": [0.02, 0.005, 0.002],
    "integMethod": "RK4",
    "timeSteps": 2,
    "NIterForInverse": 3,
}


def shapes(f: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint of width f, as the original defines them."""
    blocks: dict[str, dict[str, tuple[int, ...]]] = {}
    for image in "mt":
        for level, i, o in ((1, 1, f), (2, f, 2 * f)):
            blocks[f"encoder_{image}_{level}"] = {
                "conv_input": (o, i, 3, 3, 3),
                "conv_inblock1": (o, o, 3, 3, 3),
                "conv_inblock2": (o, o, 3, 3, 3),
                "conv_pooling": (o, o, 2, 2, 2),
            }
    for axis in "xyz":
        for level, i, o, k in ((1, 4 * f, 2 * f, 2), (2, 2 * f, 1, 3)):
            blocks[f"decoder_{axis}_{level}"] = {
                "conv_unpooling": (i, i, k, k, k),
                "conv_inblock1": (i, i, 3, 3, 3),
                "conv_inblock2": (i, i, 3, 3, 3),
                "conv_output": (o, i, 3, 3, 3),
            }
    found: dict[str, tuple[int, ...]] = {}
    for block, layers in blocks.items():
        for layer, shape in layers.items():
            found[f"{block}.{layer}.weight"] = shape
            found[f"{block}.{layer}.bias"] = (shape[1 if layer == "conv_unpooling" else 0],)
        found |= {f"{block}.prelu{number}.weight": (1,) for number in (1, 2, 3, 4)}
    return found


def random_state(seed: int) -> dict[str, torch.Tensor]:
    """Weights that keep signals at a size of about one, and momenta of about 1e-3."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(WIDTH).items():
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 10
        state[name] = torch.randn(shape, generator=generator) / fan**0.5
        if "_2.conv_output" in name:
            state[name] *= 3e-3
    return state


def encoder(s, name, x):
    for k, layer in enumerate(("conv_input", "conv_inblock1", "conv_inblock2"), start=1):
        x = F.conv3d(x, s[f"{name}.{layer}.weight"], s[f"{name}.{layer}.bias"], padding=1)
        x = F.prelu(x, s[f"{name}.prelu{k}.weight"])
    pool = s[f"{name}.conv_pooling.weight"], s[f"{name}.conv_pooling.bias"]
    return F.prelu(F.conv3d(x, *pool, stride=2, padding=1), s[f"{name}.prelu4.weight"])


def decoder(s, name, x):
    grow = s[f"{name}.conv_unpooling.weight"], s[f"{name}.conv_unpooling.bias"]
    x = F.prelu(F.conv_transpose3d(x, *grow, stride=2, padding=1), s[f"{name}.prelu1.weight"])
    for k, layer in ((2, "conv_inblock1"), (3, "conv_inblock2")):
        x = F.conv3d(x, s[f"{name}.{layer}.weight"], s[f"{name}.{layer}.bias"], padding=1)
        x = F.prelu(x, s[f"{name}.prelu{k}.weight"])
    x = F.conv3d(x, s[f"{name}.conv_output.weight"], s[f"{name}.conv_output.bias"], padding=1)
    return x if name.endswith("2") else F.prelu(x, s[f"{name}.prelu4.weight"])


@torch.no_grad()
def momentum_of(s, moving, target, reversed_axes: bool):
    """What the layout means: decoder_x gives the component along x in either order of axes."""
    if reversed_axes:
        moving, target = moving.transpose(2, 4), target.transpose(2, 4)
    codes = [
        encoder(s, f"encoder_{image}_2", encoder(s, f"encoder_{image}_1", x))
        for image, x in (("m", moving), ("t", target))
    ]
    code = torch.cat(codes, dim=1)
    parts = [decoder(s, f"decoder_{a}_2", decoder(s, f"decoder_{a}_1", code)) for a in "xyz"]
    momentum = torch.cat(parts, dim=1)
    return momentum.transpose(2, 4) if reversed_axes else momentum


def write_checkpoint(path, state, prefix="", zipped=True, **more):
    content = {
        "patch_size": 15,
        "network_feature": WIDTH,
        "state_dict": {prefix + name: value for name, value in state.items()},
        "deformation_params": SETTINGS,
        **more,
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


LAYOUTS = {
    "plain": {},
    "matlab": {"matlab_t7": True},
    "not matlab": {"matlab_t7": False},
    "DataParallel": {"prefix": "module."},
    "as files were in 2017": {"zipped": False, "matlab_t7": True},
}


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_imported_model_predicts_what_the_checkpoint_means(tmp_path, command, layout, dropout):
    options = LAYOUTS[layout]
    states = random_state(0), random_state(1)
    files = [
        write_checkpoint(tmp_path / name, state, **options)
        for name, state in zip(("p.pth.tar", "c.pth.tar"), states, strict=True)
    ]
    ours = tmp_path / "ours.safetensors"
    words = ["--dropout"] if dropout else []
    code, shown, error = command("import-weights", *files, "-o", ours, *words)
    assert code == 0, error
    assert str(ours) in shown.replace("\n", ""), error
    model = load_model(ours)
    generator = torch.Generator().manual_seed(2)
    pair = [torch.rand(3, 1, *[PATCH_SIZE] * 3, generator=generator) for _ in range(2)]
    for state, network in zip(states, model.networks().values(), strict=True):
        expected = momentum_of(state, *pair, options.get("matlab_t7", False))
        assert expected.abs().mean() > 1e-4, "this test would see nothing"
        with torch.no_grad():
            assert torch.equal(network(*pair), expected)
    config = model.config
    assert (config.method, config.steps, config.inverse_iterations) == ("rk4", 2, 3)
    assert config.metric == {"alpha": 0.02, "beta": 0.005, "gamma": 0.002, "power": 1}
    assert (config.borders, config.spacing, config.intensity) == ("original", 1.0, "maximum")
    assert config.dropout == dropout
    assert "p.pth.tar and c.pth.tar" in config.training_data


def test_without_a_correction_network(tmp_path, command):
    file = write_checkpoint(tmp_path / "p.pth.tar", random_state(0))
    assert command("import-weights", file, "-o", tmp_path / "ours.safetensors")[0] == 0
    assert load_model(tmp_path / "ours.safetensors").correction is None


def test_an_imported_model_registers(tmp_path, brain_files, command):
    """The momentum that is written comes from images divided by their maximum, the map from RK4."""
    state = random_state(0)
    file = write_checkpoint(tmp_path / "p.pth.tar", state, matlab_t7=True)
    ours, out = tmp_path / "ours.safetensors", tmp_path / "out"
    assert command("import-weights", file, "-o", ours)[0] == 0
    assert (
        command("register", *brain_files, "-o", out, "--model", ours, "--no-affine", "--no-decide")[
            0
        ]
        == 0
    )
    images = [read_image(path) for path in brain_files]
    grid = make_working_grid(*images, spacing=1.0)
    moving, target = (resample(image, grid) for image in images)
    pair = moving / moving.max(), target / target.max()
    corners = qs.patch_corners(grid.shape, PATCH_SIZE, 14)
    occupied = F.max_pool3d(((pair[0] + pair[1]) > 0).float(), PATCH_SIZE, stride=1)[0, 0]
    corners = F.pad(corners[occupied[tuple(corners.T)] > 0], (1, 0))
    patches = [qs.extract_patches(image, corners, PATCH_SIZE) for image in pair]
    momentum = qs.average_patches(momentum_of(state, *patches, True), corners, grid.shape)
    stored = np.asarray(nib.load(out / "momentum.nii.gz").dataobj).transpose(3, 0, 1, 2)
    assert np.allclose(stored, momentum[0], rtol=1e-4, atol=1e-6 * np.abs(stored).max())
    settings = json.loads((out / "result.json").read_text())["settings"]
    assert settings["method"] == "rk4"
    assert settings["metric"]["alpha"] == 0.02


@pytest.mark.parametrize("place", ["absent/ours.safetensors", "file/ours.safetensors"])
def test_an_unwritable_place_is_one_sentence(tmp_path, command, place):
    (tmp_path / "file").write_text("in the way")
    file = write_checkpoint(tmp_path / "p.pth.tar", random_state(0))
    code, shown, error = command("import-weights", file, "-o", tmp_path / place)
    assert code == 2
    assert shown == ""
    assert "expected to be able to write" in error


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
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_two_checkpoints_of_different_width_are_refused(tmp_path):
    for width in (2, 3):
        torch.save(checkpoint(PatchNetwork(width), width), tmp_path / f"{width}.pth.tar")
    with pytest.raises(QuicksilverError, match="3 features"):
        load_published(tmp_path / "2.pth.tar", tmp_path / "3.pth.tar")
