"""Validation of networks on people who were held out."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.lddmm.unfolding import unfold
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import Model
from quicksilver.registration.evaluation import measure_overlap
from quicksilver.training.beginning import make_model_config
from quicksilver.training.recipe import read_recipe
from quicksilver.training.validation import Validation
from quicksilver.transforms.folds import count_folds
from tests.quicksilver.training_data import people, recipe_file


def test_maps_are_judged_as_a_registration_ends_with_them(tmp_path):
    recipe = read_recipe(recipe_file(tmp_path))
    config = make_model_config(recipe)
    torch.manual_seed(0)
    wild = config.network().eval()
    torch.nn.init.normal_(wild.factor.weight, std=0.1)
    held_out = people(2, labelled=True)
    record = Validation(held_out, recipe, config, torch.device("cpu")).judge_network(wild)
    mismatches, overlaps, folds = [], [], []
    for one, other in ((0, 1), (1, 0)):
        moving, target = held_out.image(one), held_out.image(other)
        momentum = infer_momenta(Model(config, wild), moving, target)[-1]
        folds.append(count_folds(config.shoot(momentum)[0]).voxels)
        psi = unfold(momentum, config.shoot).psi
        before = (moving - target).square().sum()
        mismatches.append(((qs.warp(moving, psi) - target).square().sum() / before).item())
        labels = qs.warp(held_out.labels[one : one + 1], psi, mode="nearest", padding_mode="zeros")
        overlaps.append(measure_overlap(labels.numpy(), held_out.labels[other : other + 1].numpy()))
    assert min(folds) > 0, "nothing folds in this test"
    assert record["folded_voxels"] == max(folds)
    assert record["smallest_determinant"] < 1
    assert record["mismatch"] == pytest.approx(sum(mismatches) / 2, abs=1e-4)
    assert record["score"] == record["overlap"] == pytest.approx(sum(overlaps) / 2, abs=1e-4)
