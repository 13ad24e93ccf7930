from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.pyramid import downsample, upsample
from quicksilver.lddmm.metric import coarsen_metric, pad_metric
from quicksilver.networks.model import Model
from quicksilver.networks.patch import PatchNetwork
from quicksilver.networks.tiling import find_brains, predict_momentum
from quicksilver.registration.options import Options
from quicksilver.registration.pair import prepare
from quicksilver.registration.predict import register
from quicksilver.transforms.folds import count_folds
from tests.quicksilver.phantoms import make_brain


def test_the_recipe(brains, model, registration):
    """Predict, shoot, warp the target back, correct, add, shoot."""
    pair = prepare(*brains, 2.0)
    metric = pad_metric(qs.FluidMetric())
    first = predict_momentum(model.prediction, pair.moving, pair.target)
    _, phi = qs.shoot(first, metric, steps=4, composition="linear")
    back = qs.warp(pair.target, phi)
    momentum = first + predict_momentum(model.correction, pair.moving, back)
    psi, phi = qs.shoot(momentum, metric, steps=4)
    found = registration
    for ours, expected in ((found.momentum, momentum), (found.psi, psi), (found.phi, phi)):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    assert psi.abs().max() > 0.3, "nothing moves in this test"
    assert list(found.seconds) == ["prepare", "predict", "shoot", "correct", "shoot again", "judge"]


def test_stride_and_batch_size_are_those_of_every_prediction(brains, model, monkeypatch):
    pair = prepare(*brains, 2.0)
    first = predict_momentum(model.prediction, pair.moving, pair.target, stride=7)
    _, phi = qs.shoot(first, pad_metric(qs.FluidMetric()), steps=4, composition="linear")
    back = qs.warp(pair.target, phi)
    momentum = first + predict_momentum(model.correction, pair.moving, back, stride=7)
    passes = []
    network = PatchNetwork.forward

    def count(self, moving, target):
        passes.append(len(moving))
        return network(self, moving, target)

    monkeypatch.setattr(PatchNetwork, "forward", count)
    found = register(*brains, Options(model, device="cpu", decide=False, stride=7, batch_size=5))
    torch.testing.assert_close(found.momentum, momentum, rtol=1e-4, atol=1e-5)
    assert max(passes) == 5
    assert found.settings.to_json()["stride"] == 7
    assert model.config.stride == 14, "the model that was given has changed"
    usual = register(*brains, Options(model, device="cpu", decide=False))
    assert (usual.momentum - momentum).abs().max() > 1e-4
    assert max(passes) > 5


def test_equalised_images_are_what_network_and_energy_see(brains, model):
    found = register(*brains, Options(model, device="cpu", decide=False, equalise=True))
    pair = prepare(*brains, 2.0, intensity="equalised")
    assert torch.equal(found.pair.moving, pair.moving)
    assert torch.equal(found.pair.target, pair.target)
    taught = dataclasses.replace(model.config, intensity="equalised")
    same = register(
        *brains,
        Options(dataclasses.replace(model, config=taught), device="cpu", decide=False),
    )
    assert torch.equal(same.momentum, found.momentum)


def test_a_second_correction_sees_the_target_warped_back_once_more(brains, model):
    twice = dataclasses.replace(model, config=dataclasses.replace(model.config, corrections=2))
    pair = prepare(*brains, 2.0)
    momentum = predict_momentum(model.prediction, pair.moving, pair.target)
    for _ in range(2):
        _, phi = qs.shoot(momentum, pad_metric(qs.FluidMetric()), 4, composition="linear")
        back = qs.warp(pair.target, phi)
        momentum = momentum + predict_momentum(model.correction, pair.moving, back)
    found = register(*brains, Options(twice, device="cpu", decide=False))
    torch.testing.assert_close(found.momentum, momentum, rtol=1e-4, atol=1e-5)
    once = register(*brains, Options(model, device="cpu", decide=False))
    assert (found.momentum - once.momentum).abs().max() > 1e-3


def test_coarse_corrections_come_first_and_on_the_grid_of_the_prediction(brains, model):
    config = dataclasses.replace(
        model.config, architecture="horizontal", prediction_factor=2, coarse_corrections=1
    )
    torch.manual_seed(0)
    three = Model(config, *(config.network().eval() for _ in range(3)))
    for network in three.networks().values():
        torch.nn.init.normal_(network.factor.weight, std=0.003)
    found = register(*brains, Options(three, device="cpu", decide=False))
    assert found.quality.damping_rounds == 0
    fine, metric = (found.pair.moving, found.pair.target), pad_metric(qs.FluidMetric())
    coarse = [downsample(image, 2) for image in fine]

    def corrected(network, momentum, images, factor):
        low = dataclasses.replace(coarsen_metric(metric, factor), band="half")
        _, phi = qs.shoot(momentum, low, 4, composition="linear")
        seen, region = qs.warp(images[1], phi), find_brains(*images)
        return momentum + predict_momentum(network, images[0], seen, region=region)

    momentum = predict_momentum(three.prediction, *coarse)
    momentum = corrected(three.coarse_correction, momentum, coarse, 2)
    momentum = corrected(three.correction, upsample(momentum, 2, fine[0].shape[2:]) / 2, fine, 1)
    torch.testing.assert_close(found.momentum, momentum, rtol=1e-4, atol=1e-5)
    alone = register(
        *brains,
        Options(dataclasses.replace(three, coarse_correction=None), device="cpu", decide=False),
    )
    assert (found.momentum - alone.momentum).abs().max() > 1e-3


def test_without_correction_and_with_other_steps(brains, model):
    found = register(*brains, Options(model, correction=False, steps=2, device="cpu", decide=False))
    pair = found.pair
    momentum = predict_momentum(model.prediction, pair.moving, pair.target)
    torch.testing.assert_close(found.momentum, momentum, rtol=1e-4, atol=1e-5)
    psi, _ = qs.shoot(momentum, pad_metric(qs.FluidMetric()), steps=2)
    torch.testing.assert_close(found.psi, psi, rtol=1e-4, atol=1e-4)
    assert found.settings.source.correction is False
    assert found.settings.source.steps == 2


def test_what_is_measured(registration):
    found, pair = registration, registration.pair
    metric = pad_metric(qs.FluidMetric())
    kinetic = 0.5 * (found.momentum * metric.sharp(found.momentum)).sum().item()
    assert np.isclose(found.energies.kinetic, kinetic, rtol=1e-4)
    after = (qs.warp(pair.moving, found.psi) - pair.target).square().sum().item()
    assert np.isclose(found.energies.mismatch_after, after, rtol=1e-4)
    before = (pair.moving - pair.target).square().sum().item()
    assert np.isclose(found.energies.mismatch_before, before, rtol=1e-4)
    undone = qs.compose(found.phi, found.psi).norm(dim=1, keepdim=True)[pair.target > 0]
    assert np.isclose(found.quality.inverse_consistency_voxels.max, undone.max().item())
    assert found.quality.inverse_consistency_voxels.median < 0.05


def test_the_maps_lie_on_the_grids_of_the_images(brains, registration):
    moving, target = brains
    there, back = registration.displacement, registration.inverse_displacement
    assert there.grid.matches(target.grid)
    assert back.grid.matches(moving.grid)
    lengths = registration.psi.norm(dim=1).max() * 2.0  # voxels of 2 mm
    assert there.vectors.norm(dim=1).max() <= lengths + 1e-3
    inside = torch.from_numpy(target.data > 0)[None]
    assert there.then(back).vectors.norm(dim=1)[inside].median() < 0.1


def test_a_zero_momentum_changes_nothing(brains, model):
    config = dataclasses.replace(model.config)
    network = config.network().eval()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    found = register(*brains, Options(Model(config, network), device="cpu", decide=False))
    assert not found.psi.any()
    assert not found.phi.any()
    assert found.energies.mismatch_before == found.energies.mismatch_after
    assert found.quality.folded_voxels == 0
    assert found.quality.log_jacobian_sd == 0


def test_progress_is_told(brains, model):
    told = []
    register(
        *brains,
        Options(
            model, progress=lambda stage, detail="": told.append((stage, detail)), device="cpu"
        ),
    )
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == ["prepare", "predict", "shoot", "correct", "decide", "shoot again", "judge"]
    assert any(detail.endswith("patches") for _, detail in told)


def test_no_registration_folds(brains, model):
    """A network that predicts far too much: its maps fold, what is returned does not."""
    config = dataclasses.replace(model.config)
    wild = config.network().eval()
    wild.load_state_dict(model.prediction.state_dict())
    for block in (wild.decoder_x_2, wild.decoder_y_2, wild.decoder_z_2):
        block.conv_output.weight.data *= 60
    pair = prepare(*brains, 2.0)
    predicted = predict_momentum(wild, pair.moving, pair.target)
    assert count_folds(config.shoot(predicted)[0]).voxels > 0
    found = register(*brains, Options(Model(config, wild), device="cpu", decide=False))
    assert found.quality.folded_voxels == 0 < found.quality.damping_rounds
    torch.testing.assert_close(found.psi, config.shoot(found.momentum)[0])
    assert found.energies.mismatch_after > found.energies.mismatch_before
    assert any("match worse" in note for note in found.notes)


def test_brains_smaller_than_a_patch_are_refused(model):
    small = make_brain(0, (14, 40, 40))
    with pytest.raises(QuicksilverError, match="one patch, 15 voxels of 2 mm"):
        register(small, small, Options(model, device="cpu", decide=False))


@pytest.mark.filterwarnings("error")  # a refusal is enough: no warning of `shoot` beside it
def test_an_exploding_model_is_refused(brains, model):
    network = model.config.network().eval()
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 1e4)
    with pytest.raises(QuicksilverError, match="finite deformation"):
        register(*brains, Options(Model(model.config, network), device="cpu"))
