"""Training: meaningful batches, exact resume, a loss that falls, and a model at the end."""

from __future__ import annotations

import json

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.datasets import Patches
from quicksilver.errors import QuicksilverError
from quicksilver.fits import FittedPair, load_pair, pair_files, save_pair
from quicksilver.models import ModelConfig, load_model
from quicksilver.networks import PATCH_SIZE, MomentumNetwork
from quicksilver.prediction import predict_momentum
from quicksilver.synthesis import random_geodesic, smooth_noise
from quicksilver.trainer import MomentumLoss, Trainer, TrainingConfig, one_cycle
from quicksilver.training import momentum_errors, train, write_residuals

METRIC = qs.FluidMetric(pad=9)
SHORT = TrainingConfig(steps=4, batch=2, bfloat16=False, validations=1)


def pair(seed: int, shape=(18, 17, 19)) -> FittedPair:
    generator = torch.Generator().manual_seed(seed)
    moving = (0.6 + 0.4 * smooth_noise(shape, (5,), generator)).clamp(0, 1.2)
    momentum, psi, _ = random_geodesic(moving, METRIC, generator, steps=4, largest=(1, 2))
    return FittedPair(moving, qs.warp(moving, psi), momentum, {"seed": seed})


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of two pairs to train on and one held out."""
    root = tmp_path_factory.mktemp("pairs")
    for folder, seeds in (("fits", (0, 1)), ("held-out", (2,))):
        (root / folder).mkdir()
        for seed in seeds:
            save_pair(pair(seed), root / folder / f"{seed}.h5")
    return root / "fits", root / "held-out"


def trainer(tmp_path, config=SHORT, dropout=False, name="a.pt", features=1) -> Trainer:
    network = MomentumNetwork(features, dropout)
    return Trainer(network, Patches([pair(0)]), METRIC, config, tmp_path / name)


def ignore(record):
    pass


def nothing(network):
    return {}


def test_batches_are_patches_of_the_pair_seen_directly_or_in_a_mirror():
    x, y, z = torch.meshgrid(*(torch.arange(1.0, n + 1) for n in (18, 17, 19)), indexing="ij")
    moving = (x / 20)[None, None]
    momentum = torch.stack((x, y, z))[None]
    patches = Patches([FittedPair(moving, moving, momentum)], strength=0)
    batch = patches.batch(32, torch.Generator().manual_seed(0))
    assert batch.moving.shape == (32, 1, *[PATCH_SIZE] * 3)
    head = batch.moving > 0
    torch.testing.assert_close(batch.momentum[:, :1].abs(), batch.moving * 20, rtol=3e-3, atol=3e-3)
    assert (batch.momentum[:, 1:] >= 0).all()
    mirrored = (batch.momentum[:, 0] < 0).flatten(1).any(1)
    assert 5 < mirrored.sum() < 27
    steps = batch.moving.diff(dim=2)[head[:, :, 1:] & head[:, :, :-1]]
    assert (steps > 0).any() and (steps < 0).any()


def test_the_generator_decides_the_batch():
    patches = Patches([pair(0), pair(1)])
    first, again, other = (patches.batch(2, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(first.moving, again.moving) and torch.equal(first.momentum, again.momentum)
    assert not torch.equal(first.momentum, other.momentum)


def test_images_are_disturbed_independently_and_momenta_never():
    volume = pair(0)
    same = FittedPair(volume.moving, volume.moving, volume.momentum)
    seeds = [torch.Generator().manual_seed(0) for _ in range(2)]
    plain, disturbed = (
        Patches([same], strength).batch(2, g) for strength, g in zip((0.0, 1.0), seeds, strict=True)
    )
    assert torch.equal(plain.momentum, disturbed.momentum)
    assert (disturbed.moving - disturbed.target).abs().max() > 0.02


def test_the_loss_is_two_for_the_prediction_zero_and_zero_for_the_truth():
    patches = Patches([pair(0)])
    loss = MomentumLoss(METRIC, patches, scale=0.01, weight=1.0)
    batch = patches.batch(256, torch.Generator().manual_seed(1))
    assert loss(torch.zeros_like(batch.momentum), batch) == pytest.approx(2, rel=0.2)
    assert loss(batch.momentum / 0.01, batch) == pytest.approx(0, abs=1e-5)


def test_the_cycle_rises_falls_and_ends_at_zero():
    rates = [one_cycle(k / 100) for k in range(101)]
    assert max(rates) == one_cycle(0.05) == 1
    assert 0 < rates[0] < rates[2] < 1 and rates[100] == pytest.approx(0, abs=1e-12)
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_training_lowers_the_loss_on_a_batch_that_comes_again_and_again(tmp_path):
    config = TrainingConfig(steps=30, batch=2, learning_rate=3e-4, bfloat16=False)
    run = trainer(tmp_path, config, features=4)
    batch = run.patches.batch(2, run.generator)
    run.patches.batch = lambda count, generator: batch
    run.run(nothing, ignore)
    assert run.losses[-1] < 0.8 * run.losses[0]


@pytest.mark.parametrize("dropout", [False, True])
def test_a_killed_training_goes_on_with_the_same_losses(tmp_path, dropout):
    torch.manual_seed(0)
    whole = trainer(tmp_path, dropout=dropout)
    whole.run(nothing, ignore)
    torch.manual_seed(0)
    killed = trainer(tmp_path, dropout=dropout, name="b.pt")
    killed.network.train()
    killed.one_step()
    killed.one_step()
    killed.save()
    torch.manual_seed(1)
    resumed = trainer(tmp_path, dropout=dropout, name="b.pt")
    assert resumed.step == 2
    result = resumed.run(nothing, ignore)
    assert resumed.losses == whole.losses
    for a, b in zip(result.parameters(), whole.result().parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_average_follows_the_weights_fast_at_first(tmp_path):
    run = trainer(tmp_path)
    before = [p.clone() for p in run.average.parameters()]
    run.one_step()
    for old, mean, new in zip(
        before, run.average.parameters(), run.network.parameters(), strict=True
    ):
        torch.testing.assert_close(mean, old / 11 + new * 10 / 11)
    assert any((a != b).any() for a, b in zip(before, run.average.parameters(), strict=True))


def test_the_result_speaks_in_voxel_units(tmp_path):
    run = trainer(tmp_path)
    run.one_step()
    batch = run.patches.batch(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = run.scale * run.average(batch.moving, batch.target)
        torch.testing.assert_close(run.result()(batch.moving, batch.target), expected)


def test_validation_and_reports_come_as_often_as_asked(tmp_path):
    records = []
    config = TrainingConfig(steps=4, batch=1, bfloat16=False, validations=2)
    trainer(tmp_path, config).run(lambda network: {"error": 0.5}, records.append)
    assert [r["step"] for r in records if "error" in r] == [2, 4]
    assert records[-1]["step"] == 4 and (tmp_path / "a.pt").exists()


def test_a_time_budget_ends_the_training(tmp_path):
    config = TrainingConfig(minutes=1 / 600, batch=1, bfloat16=False)
    run = trainer(tmp_path, config)
    run.run(nothing, ignore)
    assert run.seconds >= 0.1 and run.progress == 1
    assert run.seconds - 0.1 < 5


@pytest.mark.parametrize("length", [{}, {"steps": 1, "minutes": 1.0}])
def test_a_training_needs_one_length(tmp_path, length):
    with pytest.raises(ValueError, match="either steps or minutes"):
        trainer(tmp_path, TrainingConfig(**length))


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    trainer(tmp_path).save()
    with pytest.raises(QuicksilverError, match="take it away"):
        Trainer(MomentumNetwork(2), Patches([pair(0)]), METRIC, SHORT, tmp_path / "a.pt")


def test_errors_are_one_for_zero_and_zero_for_the_truth(folders):
    class Constant(torch.nn.Module):
        def forward(self, moving, target):
            return moving.new_zeros(len(moving), 3, *moving.shape[2:])

    errors = momentum_errors(Constant(), folders[1], METRIC)
    assert errors == {"momentum": 1.0, "velocity": 1.0}


def test_residuals_and_predictions_add_up_to_the_fit(folders, tmp_path):
    network = MomentumNetwork(1)
    for parameter in network.parameters():
        parameter.data *= 0.5
    network.decoder_x_2.conv_output.bias.data.fill_(0.003)
    config = ModelConfig(features=1, steps=4)
    write_residuals(folders[1], network, config, tmp_path)
    original, residual = (load_pair(pair_files(f)[0]) for f in (folders[1], tmp_path))
    moving, target = original.moving.float(), original.target.float()
    predicted = predict_momentum(network, moving, target)
    torch.testing.assert_close(
        residual.momentum.float() + predicted, original.momentum.float(), atol=2e-4, rtol=0
    )
    _, phi = qs.shoot(predicted, config.fluid_metric(pad=16), steps=4)
    torch.testing.assert_close(residual.target.float(), qs.warp(target, phi), atol=1e-3, rtol=0)
    assert (residual.target.float() - target).abs().max() > 0.01


def test_a_whole_training_leaves_a_model_and_goes_on_where_it_stopped(folders, tmp_path):
    config = ModelConfig(features=1, steps=4)
    model = train(*folders, tmp_path / "out", config, SHORT, SHORT)
    loaded = load_model(tmp_path / "out" / "model.safetensors")
    assert loaded.config == model.config
    assert set(loaded.config.results["mismatch"]) == {"fit", "prediction", "correction"}
    assert loaded.config.results["mismatch"]["fit"] < 0.05
    assert loaded.config.settings["correction"]["steps"] == 4
    lines = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in lines]
    assert stages[0] == "prediction" and stages[-1] == "correction"
    again = train(*folders, tmp_path / "out", config, SHORT, SHORT)
    for a, b in zip(again.correction.parameters(), model.correction.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "out" / "log.jsonl").read_text().splitlines() == lines
