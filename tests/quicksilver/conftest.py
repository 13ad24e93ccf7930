"""Small brains, a small model and the command line for the tests of the package `quicksilver`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from quicksilver import cli
from quicksilver.images.image import Image
from quicksilver.networks.files import save_model
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.registration.options import Options
from quicksilver.registration.predict import register
from quicksilver.registration.result import Registration
from tests.quicksilver.browsers import start_browser, watch_tabs
from tests.quicksilver.heads import write_stand_in
from tests.quicksilver.phantoms import make_affine, make_brain, write_nifti


@pytest.fixture(scope="session")
def model() -> Model:
    """Untrained networks whose momenta are small: maps of a voxel or two, without folds."""
    torch.manual_seed(0)
    config = ModelConfig(features=2, steps=4)
    networks = config.network(), config.network()
    for network in networks:
        for block in (network.decoder_x_2, network.decoder_y_2, network.decoder_z_2):
            torch.nn.init.normal_(block.conv_output.weight, std=0.003)
            torch.nn.init.zeros_(block.conv_output.bias)
    return Model(config, *(network.eval() for network in networks))


@pytest.fixture(scope="session")
def helpful_model() -> Model:
    """Networks that follow the gradient of the squared difference: m0 = (I0 - I1) grad I0, scaled.

    The energy keeps what they predict.
    """
    config = ModelConfig(features=2, architecture="horizontal", steps=4)
    return Model(config, follow_gradient(config, 0.008), follow_gradient(config, 0.004))


def follow_gradient(config: ModelConfig, size: float) -> torch.nn.Module:
    """A network whose factor is the difference of its images, positive and negative parts apart."""
    network = config.network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        middle = (1, 1, 1)
        for channel, sign in ((0, 1.0), (1, -1.0)):
            network.entry.weight[channel, 0][middle] = sign
            network.entry.weight[channel, 1][middle] = -sign
            network.merge[0].weight[channel, 2 + channel][middle] = 1.0
            network.factor.weight[0, channel][middle] = size * sign
    return network.eval()


@pytest.fixture(scope="session")
def model_file(helpful_model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(helpful_model, path)
    return path


@pytest.fixture(scope="session")
def brains() -> tuple[Image, Image]:
    """A pair whose grids differ in orientation, spacing and obliqueness."""
    moving = make_affine((5, -8, 10), (1, 1.1, 1.2), (-1, 1, 1), (25, -20, -18))
    target = make_affine((-4, 3, 95), (1.3, 1.2, 1.25), (1, 1, -1), (22, -22, 20))
    return make_brain(1, affine=moving), make_brain(2, (34, 38, 32), target)


@pytest.fixture(scope="session")
def brain_files(brains, tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("brains")
    moving, target = brains
    return (
        write_nifti(folder / "moving.nii.gz", moving),
        write_nifti(folder / "target.nii.gz", target),
    )


@pytest.fixture(scope="session")
def registration(brains, model) -> Registration:
    return register(*brains, Options(model, device="cpu", decide=False))


@pytest.fixture
def deepbet(monkeypatch, tmp_path_factory) -> Iterator[None]:
    """A stand-in in the place of the package deepbet."""
    monkeypatch.delitem(sys.modules, "deepbet", raising=False)
    monkeypatch.syspath_prepend(write_stand_in(tmp_path_factory.mktemp("packages")))
    yield
    sys.modules.pop("deepbet", None)


@pytest.fixture
def command(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["quicksilver", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        code = stop.value.code
        return (int(code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as browser:
        yield browser


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a tab, on whose console there must be no errors."""
    with watch_tabs(browser) as opening:
        yield opening
