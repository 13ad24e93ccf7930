"""The network of whole volumes: horizontal momenta, sizes, first weights."""

from __future__ import annotations

import pytest
import torch

from quicksilver.networks.files import load_model, save_model
from quicksilver.networks.horizontal import HorizontalNetwork, central_gradient
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.tiling import predict_momentum
from tests.quicksilver.training_data import head


def trained(features=2, **more) -> HorizontalNetwork:
    """A network whose last weights are not zero."""
    torch.manual_seed(0)
    network = HorizontalNetwork(features, **more)
    torch.nn.init.normal_(network.factor.weight, std=0.1)
    return network.eval()


@torch.no_grad()
def test_it_begins_with_the_momentum_zero():
    image = torch.rand(2, 1, 8, 16, 8)
    assert not HorizontalNetwork(2)(image, image.flip(2)).any()


@torch.no_grad()
def test_the_momentum_is_a_scalar_times_the_gradient_of_the_moving_image():
    network = trained()
    moving, target = torch.rand(2, 2, 1, 16, 8, 24, generator=torch.Generator().manual_seed(0))
    momentum = network(moving, target)
    gradient = central_gradient(moving)
    torch.testing.assert_close(momentum, network.scalar(moving, target) * gradient)
    parallel = torch.linalg.cross(momentum, gradient, dim=1)
    assert parallel.abs().max() < 1e-6
    assert momentum.abs().max() > 1e-3


def test_the_gradient_is_that_of_numpy_inside_and_half_of_it_on_the_faces():
    image = torch.rand(1, 1, 5, 6, 7, dtype=torch.float64)
    ours, theirs = central_gradient(image)[0], torch.stack(torch.gradient(image[0, 0]))
    for axis in range(3):
        inner, first = ours[axis].narrow(axis, 1, 3), ours[axis].select(axis, 0)
        torch.testing.assert_close(inner, theirs[axis].narrow(axis, 1, 3))
        torch.testing.assert_close(first, theirs[axis].select(axis, 0) / 2)


@torch.no_grad()
def test_a_volume_of_any_size_is_predicted_in_the_box_around_both_heads():
    network = trained()
    moving, target = head(0), head(1)
    expected = predict_momentum(network, moving, target)
    assert expected.shape == (1, 3, 24, 24, 24)
    assert expected.any()
    # The same heads in a larger volume, off its centre: the same momenta at the same places.
    places = [5, 0, 3, 9, 7, 1]
    wide = [torch.nn.functional.pad(image, places) for image in (moving, target)]
    found = predict_momentum(network, *wide)
    torch.testing.assert_close(
        found, torch.nn.functional.pad(expected, places), atol=1e-5, rtol=1e-5
    )
    assert not predict_momentum(network, 0 * moving, 0 * moving).any()


@torch.no_grad()
def test_a_batch_is_predicted_as_its_pairs_are():
    network = trained()
    moving, target = torch.cat([head(0), head(1)]), torch.cat([head(2), head(3)])
    both = predict_momentum(network, moving, target)
    for k in range(2):
        one = predict_momentum(network, moving[k : k + 1], target[k : k + 1])
        torch.testing.assert_close(both[k : k + 1], one, atol=1e-5, rtol=1e-4)


def test_a_model_file_keeps_its_architecture(tmp_path):
    config = ModelConfig(2, architecture="horizontal")
    save_model(Model(config, trained(), trained()), tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    assert isinstance(loaded.prediction, HorizontalNetwork)
    assert loaded.config == config


@torch.no_grad()
def test_scaling_scales_the_momentum():
    network = trained()
    image = head(0)
    before = network(image, image.flip(2))
    network.scale(0.5)
    torch.testing.assert_close(network(image, image.flip(2)), before / 2)


@pytest.mark.parametrize("dropout", [False, True])
def test_dropout_acts_in_training_mode_only(dropout):
    network = trained(dropout=dropout)
    images = head(0), head(1)
    with torch.no_grad():
        assert torch.equal(network(*images), network(*images))
        network.train()
        assert torch.equal(network(*images), network(*images)) != dropout
