"""Nothing moves without evidence: what equal, nearly equal and exchanged images give."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from quicksilver.networks.evidence import find_evidence
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.networks.tiling import find_brains, predict_momentum
from quicksilver.training.synthesis import disturb
from tests.quicksilver.phantoms import make_brain


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    data = torch.from_numpy(make_brain(1, (32, 32, 32)).data)[None, None]
    return data / data.max()


@pytest.fixture(scope="module")
def moved(image) -> torch.Tensor:
    return image.roll(2, 3)


def wild_model(relative: bool, architecture: str = "horizontal", dropout: bool = False) -> Model:
    """Networks that predict something for any two images."""
    torch.manual_seed(1)
    config = ModelConfig(
        features=2, architecture=architecture, steps=4, relative=relative, dropout=dropout
    )
    networks = config.network(), config.network()
    for network in networks:
        for layer in network.outputs():
            torch.nn.init.normal_(layer.weight, std=0.1)
            torch.nn.init.constant_(layer.bias, 0.1)
    return Model(config, *(network.eval() for network in networks))


def test_evidence_lies_between_0_and_1_and_is_where_images_differ(image):
    other = image.clone()
    other[:, :, 14:18, 14:18, 14:18] *= 0.3
    found = find_evidence(image, other)
    assert found.min() == 0
    assert 0.8 < found.max() <= 1
    assert found[..., 16, 16, 16] > 0.8
    assert not found[:, :, :4].any()


def test_scanners_are_no_evidence(image, moved):
    """A gain and noise weigh little where a shift of two voxels weighs much."""
    generator = torch.Generator().manual_seed(0)
    brain = image > 0
    rescanned = find_evidence(image, disturb(image, generator, 0.3))[brain].mean()
    gained = find_evidence(image, 1.1 * image)[brain].mean()
    assert max(rescanned, gained) < 0.25 * find_evidence(image, moved)[brain].mean()


@pytest.mark.parametrize("architecture", ["horizontal", "patch"])
@pytest.mark.parametrize("correction", [False, True])
def test_equal_images_give_no_momentum(image, architecture, correction):
    momenta = infer_momenta(wild_model(True, architecture), image, image, correction=correction)
    assert not momenta[-1].any()
    without = infer_momenta(wild_model(False, architecture), image, image)
    assert without[-1].any()


def test_dropout_is_the_same_for_both_answers(image):
    """A network that samples still says nothing of an image and itself."""
    model = wild_model(True, dropout=True)
    for network in model.networks().values():
        network.train()
    assert not infer_momenta(model, image, image)[-1].any()


def test_the_answer_is_relative_and_weighed(image, moved):
    model = dataclasses.replace(wild_model(True), correction=None)
    region = find_brains(image, moved)
    answer, itself = (
        predict_momentum(model.prediction, image, other, region=region) for other in (moved, image)
    )
    [found] = infer_momenta(model, image, moved)
    torch.testing.assert_close(found, find_evidence(image, moved) * (answer - itself))
    assert found.any()
