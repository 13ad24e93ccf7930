"""The trainer of one network: exact resume, averages, best weights, rates and seeds."""

from __future__ import annotations

import os

import pytest
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.dropout import find_dropout
from quicksilver.networks.patch import PatchNetwork
from quicksilver.training.loss import predict_patches
from quicksilver.training.patches import FittedPatches
from quicksilver.training.settings import Stage
from quicksilver.training.trainer import Trainer, derive_seed, learning_rate, ramp_dropout
from tests.quicksilver.training_data import fitted_pair

SHORT = Stage(
    steps=4, batch=2, precision="float32", validations=1, source="fits", objective="momentum"
)


def distance(network: MomentumNetwork, batch) -> torch.Tensor:
    momentum = predict_patches(network, batch)
    return (momentum - batch.momentum / 0.01).abs().mean()


def trainer(folder, stage=SHORT, dropout=False, name="a.pt", features=1) -> Trainer:
    torch.manual_seed(0)
    network = PatchNetwork(features, dropout)
    return Trainer(network, FittedPatches([fitted_pair(0)]), distance, stage, folder / name)


def nothing(network):
    return {}


def ignore(record):
    pass


def test_training_lowers_the_loss_on_a_batch_that_comes_again_and_again(tmp_path):
    stage = SHORT.model_copy(update={"steps": 30, "learning_rate": 3e-3, "warm_up": 1})
    run = trainer(tmp_path, stage, features=4)
    batch = run.batches[0]
    for _ in range(stage.steps):
        run.train_step(batch)
    assert run.losses[-1] < 0.9 * run.losses[0]


@pytest.mark.parametrize(("dropout", "ramp"), [(False, 0), (True, 0), (True, 3)])
def test_a_killed_training_goes_on_with_the_same_losses(tmp_path, dropout, ramp):
    stage = SHORT.model_copy(update={"dropout_ramp": ramp})
    whole = trainer(tmp_path, stage, dropout)
    expected = whole.run(nothing, ignore)
    killed = trainer(tmp_path, stage, dropout, name="b.pt")
    for step in range(2):
        killed.train_step(killed.batches[step])
    killed.save()
    torch.manual_seed(1)
    resumed = trainer(tmp_path, stage, dropout, name="b.pt")
    assert resumed.step == 2
    result = resumed.run(nothing, ignore)
    assert resumed.losses == whole.losses
    for a, b in zip(result.parameters(), expected.parameters(), strict=True):
        assert torch.equal(a, b)


def test_workers_draw_the_same_batches(tmp_path):
    alone = trainer(tmp_path)
    alone.run(nothing, ignore)
    helped = trainer(tmp_path, SHORT.model_copy(update={"workers": 1}), name="b.pt")
    helped.run(nothing, ignore)
    assert alone.losses == helped.losses


def test_the_average_follows_the_weights_fast_at_first(tmp_path):
    run = trainer(tmp_path)
    before = [p.clone() for p in run.average.parameters()]
    run.train_step(run.batches[0])
    pairs = zip(before, run.average.parameters(), run.network.parameters(), strict=True)
    for old, mean, new in pairs:
        torch.testing.assert_close(mean, old / 11 + new * 10 / 11)
    assert any((a != b).any() for a, b in zip(before, run.average.parameters(), strict=True))


def test_the_best_weights_are_kept(tmp_path):
    stage = SHORT.model_copy(update={"validations": 4})
    scores = iter([0.1, 0.9, 0.5, 0.2])
    seen = []

    def validate(network):
        seen.append([p.clone() for p in network.parameters()])
        return {"score": next(scores)}

    kept = trainer(tmp_path, stage).run(validate, ignore)
    for value, best in zip(kept.parameters(), seen[1], strict=True):
        assert torch.equal(value, best)
    assert any((a != b).any() for a, b in zip(seen[1], seen[3], strict=True))


def test_a_batch_whose_loss_is_not_finite_changes_nothing(tmp_path):
    run = trainer(tmp_path)
    before = [p.clone() for p in run.network.parameters()]
    run.loss = lambda network, batch: distance(network, batch) * float("inf")
    run.train_step(run.batches[0])
    for old, new in zip(before, run.network.parameters(), strict=True):
        assert torch.equal(old, new)


def test_a_batch_without_a_gradient_changes_nothing(tmp_path):
    """As a window of background alone is one."""
    run = trainer(tmp_path)
    before = [weight.clone() for weight in run.network.parameters()]
    run.loss = lambda network, batch: torch.zeros(())
    assert run.train_step(run.batches[0])["loss"] == 0
    assert all(map(torch.equal, before, run.network.parameters()))


def test_the_rate_rises_stays_and_falls_to_zero():
    stage = Stage(steps=100, warm_up=10, decay=0.25)
    rates = [learning_rate(k, stage) for k in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:76] == [1.0] * 67
    assert rates[75:] == sorted(rates[75:], reverse=True)
    assert rates[100] == 0


def test_the_dropout_rises_from_zero_to_the_network_s_and_stays():
    stage = Stage(steps=100, dropout_ramp=50)
    assert [ramp_dropout(k, stage) for k in (0, 25, 50, 99)] == [0, 0.5, 1, 1]
    assert ramp_dropout(0, Stage(steps=100)) == 1


def test_every_step_has_the_dropout_of_the_ramp(tmp_path):
    run = trainer(tmp_path, SHORT.model_copy(update={"dropout_ramp": 4}), dropout=True)
    for probability in (0, 0.05, 0.1, 0.15):
        run.train_step(run.batches[run.step])
        found = [layer.p for layer in find_dropout(run.network)]
        assert found == pytest.approx([probability] * 10)
    kept = [layer.p for layer in find_dropout(run.load_best())]
    assert kept == [0.2] * 10, "the network that is kept samples with its own"


def test_every_step_and_process_has_a_seed_of_its_own():
    keys = {
        derive_seed(seed, step, purpose)
        for seed in range(3)
        for step in range(50)
        for purpose in range(5)
    }
    assert len(keys) == 750
    assert min(keys) >= 0


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    trainer(tmp_path).save()
    with pytest.raises(QuicksilverError, match="take it away"):
        trainer(tmp_path, features=2)


@pytest.mark.parametrize("content", ["garbage", "", "a list", "a tensor", "a pipe", "another step"])
@pytest.mark.parametrize("name", ["{}", "{}-best"])
def test_a_checkpoint_that_is_none_is_refused(content, name, tmp_path):
    run = trainer(tmp_path)
    run.save()
    path = run.checkpoint.with_name(name.format(run.checkpoint.stem) + ".pt")
    path.unlink(missing_ok=True)
    if content == "a pipe":
        os.mkfifo(path)
    elif content in ("garbage", ""):
        path.write_text(content)
    elif content == "another step":
        state = torch.load(run.checkpoint) if run.checkpoint.exists() else {}
        torch.save({**state, "step": -3}, path)
    else:
        torch.save([1, 2] if content == "a list" else torch.ones(2), path)
    with pytest.raises(QuicksilverError, match=r"take it away|give a file"):
        trainer(tmp_path).load_best()
