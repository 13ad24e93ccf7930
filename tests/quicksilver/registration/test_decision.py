"""The energy decides: what helps is kept, what harms is not."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.matching import FitSettings, fit
from quicksilver.networks.model import Model
from quicksilver.registration.decision import decide
from quicksilver.registration.options import Options
from quicksilver.registration.predict import register
from quicksilver.registration.result import STILL

METRIC = qs.FluidMetric(pad=8)


@pytest.fixture(scope="module")
def images() -> Images:
    blob = torch.zeros(1, 1, 24, 24, 24)
    blob[..., 7:16, 8:15, 8:16] = 1
    return Images(blob, blob.roll(2, 2))


@pytest.fixture(scope="module")
def fitted(images) -> torch.Tensor:
    return fit(images, METRIC, FitSettings(levels=(1,), iterations=(8,))).momentum


def test_a_good_momentum_is_kept_whole(images, fitted):
    found = decide([0.3 * fitted, fitted], images, METRIC)
    assert (found.corrections, found.scale) == (1, 1.0)
    assert torch.equal(found.momentum, fitted)


def test_a_correction_that_harms_is_dropped(images, fitted):
    found = decide([fitted, fitted + 0.3 * torch.randn_like(fitted)], images, METRIC)
    assert found.corrections == 0


def test_a_correction_that_gains_less_than_noise_is_dropped(images, fitted):
    assert decide([0.5 * fitted, fitted], images, METRIC).corrections == 1
    assert decide([0.9995 * fitted, fitted], images, METRIC).corrections == 0


def test_too_much_is_scaled_down(images, fitted):
    found = decide([4 * fitted], images, METRIC)
    assert 0 < found.scale < 1
    assert torch.equal(found.momentum, found.scale * (4 * fitted))


def test_what_only_harms_is_left_out(images, fitted):
    assert decide([-fitted], images, METRIC).scale == 0


def test_a_registration_that_would_harm_is_the_affine(brains, model):
    """The same momentum, backwards or forwards, is not always worse than none; many times it is."""
    harmful = dataclasses.replace(model, prediction=scale(model, 400), correction=None)
    found = register(*brains, Options(harmful, device="cpu"))
    assert not found.psi.any()
    assert found.notes[-1] == STILL
    assert found.energies.lddmm_after == found.energies.lddmm_before
    as_told = register(*brains, Options(harmful, device="cpu", decide=False))
    assert as_told.psi.any()
    assert not as_told.energies.improved


def scale(model: Model, factor: float) -> torch.nn.Module:
    network = model.config.network()
    network.load_state_dict(model.prediction.state_dict())
    network.scale(factor)
    return network.eval()
