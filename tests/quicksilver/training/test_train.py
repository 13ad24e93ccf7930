"""Training by recipes: images, stages, several processes, kills, a model at the end."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.intensity import normalise
from quicksilver.images.pyramid import downsample, upsample
from quicksilver.lddmm.fits import load_pair, pair_files, save_pair
from quicksilver.lddmm.metric import coarsen_metric
from quicksilver.networks.dropout import find_dropout
from quicksilver.networks.files import load_model
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import ModelConfig
from quicksilver.networks.patch import PatchNetwork
from quicksilver.networks.shipped import open_model
from quicksilver.networks.tiling import predict_momentum
from quicksilver.training.beginning import load_starting_model, make_model_config
from quicksilver.training.dataset import load_volumes
from quicksilver.training.recipe import read_recipe
from quicksilver.training.teacher import write_residuals
from quicksilver.training.train import train
from tests.quicksilver.training_data import FRAME, STAGE, fitted_pair, losses, people, recipe_file


def test_volumes_lie_in_the_frame_and_carry_their_labels(data, tmp_path):
    recipe = read_recipe(recipe_file(tmp_path))
    volumes = load_volumes(data, recipe.data)
    expected = people(6, labelled=True)
    assert volumes.names == tuple("012345")
    assert torch.equal(volumes.labels, expected.labels)
    for k in range(6):
        torch.testing.assert_close(
            volumes.image(k), normalise(expected.image(k)), atol=3e-3, rtol=0
        )
    assert volumes.part(slice(4, None)).names == ("4", "5")


def test_a_recipe_says_how_intensities_are_scaled(data, tmp_path):
    images = {"images": "p*_t1.nii.gz", "intensity": "equalised", **FRAME}
    recipe = read_recipe(recipe_file(tmp_path, data=images))
    image = load_volumes(data, recipe.data).image(0)
    expected = normalise(people(1).image(0), "equalised")
    assert (image - expected).abs().mean() < 0.01
    assert make_model_config(recipe).intensity == "equalised"


def test_matrices_bring_people_to_the_frame(data, tmp_path):
    shift = np.eye(4)
    shift[0, 3] = 4.0  # two voxels
    content = {f"p{k}": {"M": shift.tolist()} for k in range(6)}
    (data / "matrices.json").write_text(json.dumps(content))
    images = {"images": "p*_t1.nii.gz", "matrices": "matrices.json", **FRAME}
    moved = load_volumes(data, read_recipe(recipe_file(tmp_path, data=images)).data)
    plain = load_volumes(data, read_recipe(recipe_file(tmp_path)).data)
    torch.testing.assert_close(moved.images[:, :, :-2], plain.images[:, :, 2:])
    (data / "matrices.json").write_text(json.dumps({"p0": {"M": shift.tolist()}}))
    with pytest.raises(QuicksilverError, match="4 x 4 matrix M"):
        load_volumes(data, read_recipe(recipe_file(tmp_path, data=images)).data)


def test_a_whole_training_leaves_a_model_and_goes_on_where_it_stopped(data, tmp_path):
    recipe = read_recipe(recipe_file(tmp_path))
    model = train(recipe, data, tmp_path / "out")
    loaded = load_model(tmp_path / "out" / "model.safetensors")
    assert loaded.config == model.config
    assert loaded.correction is not None
    assert {"overlap", "overlap_before", "mismatch", "folded_voxels"} <= set(loaded.config.results)
    assert loaded.config.settings["prediction"]["steps"] == 3
    for name in ("model.md", "curve.png", "prediction.pt", "correction-best.pt"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    lines = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in lines]
    assert stages[0] == "prediction"
    assert stages[-1] == "correction"
    again = train(recipe, data, tmp_path / "out")
    for a, b in zip(again.correction.parameters(), model.correction.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "out" / "log.jsonl").read_text().splitlines() == lines


def test_the_paper_s_training_with_fits_residuals_and_patches(data, tmp_path):
    stage = {"steps": 2, "source": "fits", "objective": "momentum", "batch": 2, "validations": 1}
    recipe = recipe_file(
        tmp_path,
        network={"architecture": "patch", "features": 1},
        fits={"pairs": 2, "levels": [2], "iterations": [2], "steps": 2},
        prediction=stage,
        correction=stage,
    )
    model = train(read_recipe(recipe), data, tmp_path / "out")
    assert isinstance(model.prediction, PatchNetwork)
    assert len(pair_files(tmp_path / "out" / "fits")) == 2
    assert len(pair_files(tmp_path / "out" / "residuals")) == 2


@pytest.mark.parametrize("architecture", ["patch", "horizontal"])
def test_training_on_geodesics_with_dropout(architecture, data, tmp_path):
    stage = {"steps": 2, "source": "geodesics", "objective": "momentum", "validations": 1}
    network = {"architecture": architecture, "features": 1, "dropout": True, "dropout_rate": 0.1}
    recipe = recipe_file(tmp_path, network=network, prediction=stage, correction=None)
    model = train(read_recipe(recipe), data, tmp_path / "out")
    assert model.correction is None
    assert model.config.dropout
    assert {layer.p for layer in find_dropout(model.prediction)} == {0.1}
    assert len(losses(tmp_path / "out")) == 2


def test_training_without_images_paints_them(data, tmp_path):
    labels = {"labels": "p*_lab.nii.gz", **FRAME}
    train(read_recipe(recipe_file(tmp_path, data=labels, correction=None)), data, tmp_path / "out")
    assert load_model(tmp_path / "out" / "model.safetensors").config.results["overlap"] > 0


def test_a_prediction_at_half_the_resolution_and_a_correction_at_full(data, tmp_path):
    network = {"features": 1, "prediction_factor": 2}
    model = train(read_recipe(recipe_file(tmp_path, network=network)), data, tmp_path / "out")
    assert model.config.prediction_factor == 2
    loaded = load_model(tmp_path / "out" / "model.safetensors")
    images = people(2)
    moving, target = images.image(0), images.image(1)
    torch.nn.init.normal_(loaded.prediction.factor.weight)
    momentum = infer_momenta(loaded, moving, target, correction=False)[-1]
    half = predict_momentum(loaded.prediction, downsample(moving, 2), downsample(target, 2))
    torch.testing.assert_close(momentum, upsample(half, 2, moving.shape[2:]) / 2)
    # In world units nothing changes: a velocity in fine voxels is twice that in coarse ones.
    metric = qs.FluidMetric(pad=8)
    smooth = upsample(downsample(momentum, 4), 4, moving.shape[2:])
    fine = metric.sharp(smooth)
    coarse = coarsen_metric(metric, 2).sharp(downsample(smooth, 2) * 2)
    torch.testing.assert_close(
        downsample(fine, 2), coarse * 2, atol=0.05 * fine.abs().max().item(), rtol=0
    )


def test_a_training_that_starts_from_a_model_leaves_what_it_has_no_stage_for(data, tmp_path):
    begun = train(read_recipe(recipe_file(tmp_path)), data, tmp_path / "begun")
    network = {"features": 2, "corrections": 2}
    still = {**STAGE, "learning_rate": 1e-12}
    for stage in (still, STAGE):
        changes = {"network": network, "prediction": None, "correction": stage}
        start = str(tmp_path / "begun" / "model.safetensors")
        recipe = read_recipe(recipe_file(tmp_path, start=start, **changes))
        model = train(recipe, data, tmp_path / f"out{stage is still}")
        assert model.config.corrections == 2
        for name, moved in (("prediction", False), ("correction", stage is STAGE)):
            before, after = (getattr(m, name).entry.weight for m in (begun, model))
            assert torch.allclose(before, after, atol=1e-3)  # the file has half precision
            assert (not torch.allclose(before.half().float(), after, atol=1e-7)) == moved
    losses_of = losses(tmp_path / "outFalse", "correction")
    assert len(losses_of) == 3
    assert not (tmp_path / "outFalse" / "prediction.pt").exists()


def test_a_coarse_correction_is_the_start_s_and_stays_as_it_is(data, tmp_path):
    train(read_recipe(recipe_file(tmp_path)), data, tmp_path / "begun")
    start = str(tmp_path / "begun" / "model.safetensors")
    network = {"features": 2, "prediction_factor": 2, "coarse_corrections": 2}
    for k in range(2):
        changes = {"network": network, "prediction": None, "correction": STAGE, "start": start}
        train(read_recipe(recipe_file(tmp_path, **changes)), data, tmp_path / f"out{k}")
        before, start = load_model(start), str(tmp_path / f"out{k}" / "model.safetensors")
        after = load_model(start)
        kept = before.coarse_correction or before.correction
        for ours, theirs in zip(
            kept.parameters(), after.coarse_correction.parameters(), strict=True
        ):
            assert torch.equal(ours, theirs)
        assert not torch.equal(before.correction.entry.weight, after.correction.entry.weight)
        assert after.config.coarse_corrections == 2
    with pytest.raises(QuicksilverError, match="give start"):
        read_recipe(recipe_file(tmp_path, network=network))


def test_a_start_that_cannot_correct_is_refused_for_coarse_corrections(data, tmp_path):
    train(read_recipe(recipe_file(tmp_path, correction=None)), data, tmp_path / "begun")
    start = str(tmp_path / "begun" / "model.safetensors")
    network = {"features": 2, "prediction_factor": 2, "coarse_corrections": 1}
    recipe = read_recipe(recipe_file(tmp_path, network=network, start=start))
    with pytest.raises(QuicksilverError, match="leave coarse_corrections out"):
        train(recipe, data, tmp_path / "out")


def test_a_start_of_other_networks_is_refused(data, tmp_path):
    recipe = read_recipe(recipe_file(tmp_path, start="default-2mm"))
    with pytest.raises(QuicksilverError, match="change `network` or `start`"):
        train(recipe, data, tmp_path / "out")


def test_a_start_without_dropout_gives_its_weights_to_networks_with_it():
    config = make_model_config(read_recipe("probabilistic"))
    begun, start = open_model("quicksilver-2017"), load_starting_model("quicksilver-2017", config)
    for ours, theirs in zip(start.networks().values(), begun.networks().values(), strict=True):
        sites = [isinstance(m, nn.Dropout) for m in ours.modules()]
        assert sum(sites) == 10, "one layer a block"
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        parameters = zip(ours.parameters(), theirs.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in parameters)


def test_a_bad_start_leaves_nothing(data, tmp_path):
    (tmp_path / "bad.safetensors").write_text("no model")
    recipe = recipe_file(tmp_path, start=str(tmp_path / "bad.safetensors"))
    with pytest.raises(QuicksilverError, match="bad"):
        train(read_recipe(recipe), data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_frame_for_which_there_is_no_memory_is_refused(data, tmp_path):
    large = {"images": "p*_t1.nii.gz", **FRAME, "shape": [1000, 1000, 1000]}
    recipe = read_recipe(recipe_file(tmp_path, data=large))
    with pytest.raises(QuicksilverError, match=r"free memory.*1000.0 million voxels"):
        train(recipe, data, tmp_path / "out")


def pair_suffix() -> str:
    from quicksilver.lddmm.fits import SUFFIX

    return SUFFIX


def test_residuals_and_predictions_add_up_to_the_fit(tmp_path):
    (tmp_path / "fits").mkdir()
    save_pair(fitted_pair(2), tmp_path / "fits" / f"a{pair_suffix()}")
    network = PatchNetwork(1)
    for parameter in network.parameters():
        parameter.data *= 0.5
    network.decoder_x_2.conv_output.bias.data.fill_(0.003)
    config = ModelConfig(features=1, steps=4)
    write_residuals(tmp_path / "fits", network, config, tmp_path / "residuals")
    files = (pair_files(tmp_path / folder)[0] for folder in ("fits", "residuals"))
    original, residual = (load_pair(file) for file in files)
    moving, target = original.moving.float(), original.target.float()
    predicted = predict_momentum(network, moving, target)
    missing = residual.momentum.float()
    torch.testing.assert_close(missing + predicted, original.momentum.float(), atol=2e-4, rtol=0)
    _, phi = qs.shoot(predicted, config.fluid_metric(), steps=4)
    torch.testing.assert_close(residual.target.float(), qs.warp(target, phi), atol=1e-3, rtol=0)
    assert (residual.target.float() - target).abs().max() > 0.01


def test_too_few_people_are_refused(data, tmp_path):
    recipe = recipe_file(tmp_path, data={"images": "p*_t1.nii.gz", **FRAME, "held_out": 5})
    with pytest.raises(QuicksilverError, match="lower held_out"):
        train(read_recipe(recipe), data, tmp_path / "out")
    with pytest.raises(QuicksilverError, match="found none"):
        train(read_recipe(recipe), tmp_path, tmp_path / "out")
