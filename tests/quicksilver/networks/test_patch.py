"""The network has the published architecture, name for name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quicksilver.networks.patch import PATCH_SIZE, PatchNetwork


def patches(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, *[PATCH_SIZE] * 3, generator=generator)


def test_has_as_many_parameters_as_the_published_network():
    assert sum(p.numel() for p in PatchNetwork(features=64).parameters()) == 21_826_347


def test_modules_are_named_as_in_the_published_checkpoints():
    state = PatchNetwork(features=2).state_dict()
    encoders = [f"encoder_{image}_{level}" for image in "mt" for level in (1, 2)]
    decoders = [f"decoder_{axis}_{level}" for axis in "xyz" for level in (1, 2)]
    slopes = [f"prelu{k}.weight" for k in (1, 2, 3, 4)]

    def names(layers):
        return [f"conv_{layer}.{kind}" for layer in layers for kind in ("weight", "bias")] + slopes

    expected = {
        f"{e}.{n}" for e in encoders for n in names(["input", "inblock1", "inblock2", "pooling"])
    }
    expected |= {
        f"{d}.{n}" for d in decoders for n in names(["unpooling", "inblock1", "inblock2", "output"])
    }
    assert set(state) == expected
    assert state["encoder_m_2.conv_pooling.weight"].shape == (4, 4, 2, 2, 2)
    assert state["decoder_x_1.conv_unpooling.weight"].shape == (8, 8, 2, 2, 2)
    assert state["decoder_z_2.conv_unpooling.weight"].shape == (4, 4, 3, 3, 3)


@pytest.mark.parametrize("features", [1, 3])
def test_any_width_turns_patches_into_momenta(features):
    assert PatchNetwork(features)(patches(2), patches(2, 1)).shape == (2, 3, *[PATCH_SIZE] * 3)


def test_momenta_have_both_signs_because_the_last_activation_is_unused():
    network = PatchNetwork(features=2)
    before = network(patches(2), patches(2, 1))
    with torch.no_grad():
        network.decoder_x_2.prelu4.weight.fill_(100)
    torch.testing.assert_close(network(patches(2), patches(2, 1)), before)


def test_dropout_is_random_in_training_and_absent_in_prediction():
    network = PatchNetwork(features=2, dropout=True)
    torch.manual_seed(0)
    assert not torch.equal(network(patches(1), patches(1)), network(patches(1), patches(1)))
    network.eval()
    assert torch.equal(network(patches(1), patches(1)), network(patches(1), patches(1)))
    plain = PatchNetwork(features=2)
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(plain(patches(1), patches(1)), network(patches(1), patches(1)))


def test_dropout_follows_the_activations_that_it_follows_in_the_original():
    network = PatchNetwork(features=2, dropout=True).train()
    after: list[str] = []
    last = ""

    def name_sites(block: str, part: str):
        def note(layer, args, output):
            nonlocal last
            if isinstance(layer, nn.Dropout):
                assert layer.p == 0.2
                after.append(last)
            last = f"{block}.{part}"

        return note

    for block, module in network.named_children():
        for part, layer in module.named_children():
            layer.register_forward_hook(name_sites(block, part))
    network(patches(1), patches(1))
    encoders = [f"encoder_{image}_{level}.prelu" for image in "mt" for level in (1, 2)]
    expected = [encoder + number for encoder in encoders for number in "123"]
    expected += [f"decoder_{axis}_1.prelu{number}" for axis in "xyz" for number in "234"]
    expected += [f"decoder_{axis}_2.prelu{number}" for axis in "xyz" for number in "23"]
    assert len(expected) == 27
    assert sorted(after) == sorted(expected)


def test_reversed_axes_turn_the_volume_and_leave_the_components():
    network = PatchNetwork(features=2)
    turned = PatchNetwork(features=2, axes_reversed=True)
    turned.load_state_dict(network.state_dict())
    moving, target = patches(2), patches(2, 1)
    expected = network(moving.permute(0, 1, 4, 3, 2), target.permute(0, 1, 4, 3, 2))
    momentum = turned(moving, target)
    torch.testing.assert_close(momentum, expected.permute(0, 1, 4, 3, 2))
