"""Sampling with dropout: moments, seeds, and what is written of them."""

from __future__ import annotations

import dataclasses
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from matplotlib import image as png
from torch import nn

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.io.fields import read_field
from quicksilver.lddmm.metric import pad_metric
from quicksilver.networks.dropout import Moments, sample
from quicksilver.networks.files import save_model
from quicksilver.networks.model import Model
from quicksilver.networks.tiling import predict_momentum
from quicksilver.registration.options import Options
from quicksilver.registration.pair import Placement
from quicksilver.registration.predict import register
from quicksilver.results.folder import save_registration
from quicksilver.results.png import draw
from quicksilver.results.views import make_views
from quicksilver.transforms.field import regrid
from tests.quicksilver.phantoms import make_affine


@pytest.fixture(scope="module")
def probabilistic(model) -> Model:
    """The weights of the small model in networks with dropout."""
    config = dataclasses.replace(model.config, dropout=True, steps=2)
    networks = []
    for network in model.networks().values():
        networks.append(config.network().eval())
        networks[-1].load_state_dict(network.state_dict())
    return Model(config, *networks)


AFFINE = make_affine((20, -10, 15), (1.1, 0.9, 1.05), origin=(30, -20, 10))
FRAME = make_affine((-12, 5, 8), (0.95, 1, 0.9), origin=(4, 5, 6))
PLACEMENT = Placement(AFFINE, FRAME)


@pytest.fixture(scope="module")
def elsewhere(brains):
    """The pair with a moving image that lies elsewhere, so that the axes of all worlds differ."""
    moving, target = brains
    return moving.reframe(np.linalg.inv(AFFINE)), target


@pytest.fixture(scope="module")
def found(elsewhere, probabilistic):
    return register(
        *elsewhere, Options(probabilistic, samples=4, seed=3, device="cpu", decide=False), PLACEMENT
    )


def dropouts(model: Model) -> list[nn.Dropout]:
    networks = model.networks().values()
    return [m for network in networks for m in network.modules() if isinstance(m, nn.Dropout)]


def test_moments_are_those_of_all_values_at_once():
    values = 1e3 + torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    moments = Moments()
    for value in values:
        moments.add(value)
    torch.testing.assert_close(moments.mean, values.mean(dim=0))
    torch.testing.assert_close(moments.variance, values.var(dim=0))


def test_every_sample_goes_through_both_networks(brains, probabilistic, found):
    """The samples of the package, drawn again by hand with the same random numbers."""
    pair, config = found.pair, probabilistic.config
    for layer in dropouts(probabilistic):
        layer.train()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        drawn = []
        for _ in range(4):
            predicted = predict_momentum(probabilistic.prediction, pair.moving, pair.target)
            _, phi = config.shoot(predicted)
            back = qs.warp(pair.target, phi)
            momentum = predicted + predict_momentum(probabilistic.correction, pair.moving, back)
            drawn.append((momentum, *config.shoot(momentum)))
    for layer in dropouts(probabilistic):
        layer.eval()
    momenta, psis, phis = (torch.cat(fields) for fields in zip(*drawn, strict=True))
    # In mm along the axes of the world that each map leads to.
    psis, phis = (
        torch.einsum("ij,bjxyz->bixyz", torch.tensor(axes[:3, :3], dtype=torch.float32), fields)
        for axes, fields in ((AFFINE @ pair.grid.affine, psis), (pair.grid.affine, phis))
    )
    close = {"rtol": 1e-3, "atol": 1e-5}
    torch.testing.assert_close(found.uncertainty.momentum[0], momenta.mean(dim=0), **close)
    for moments, fields in ((found.uncertainty.psi, psis), (found.uncertainty.phi, phis)):
        torch.testing.assert_close(moments.mean[0], fields.mean(dim=0), **close)
        torch.testing.assert_close(moments.variance[0], fields.var(dim=0), **close)
    assert psis.var(dim=0).sqrt().max() > 0.05, "nothing varies in this test"


def test_the_registration_is_the_geodesic_of_the_mean_momentum(found):
    torch.testing.assert_close(found.momentum, found.uncertainty.momentum)
    psi, phi = qs.shoot(found.momentum, pad_metric(qs.FluidMetric()), steps=2)
    torch.testing.assert_close(found.psi, psi, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.phi, phi, rtol=1e-4, atol=1e-4)
    assert list(found.seconds) == ["prepare", "sample", "shoot", "judge"]
    assert found.settings.source.samples == 4
    assert found.settings.source.seed == 3


def test_the_seed_decides_and_nobody_else_notices(brains, elsewhere, probabilistic, found):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    again = register(
        *elsewhere, Options(probabilistic, samples=4, seed=3, device="cpu", decide=False), PLACEMENT
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.momentum, found.momentum)
    assert torch.equal(again.uncertainty.psi.variance, found.uncertainty.psi.variance)
    other = register(*brains, Options(probabilistic, samples=2, seed=4, device="cpu", decide=False))
    assert not torch.equal(other.momentum, found.momentum)
    assert not any(layer.training for layer in dropouts(probabilistic))


def test_without_probability_there_is_no_variance(brains, probabilistic):
    config = probabilistic.config
    plain = register(*brains, Options(probabilistic, device="cpu", decide=False))
    layers = dropouts(probabilistic)
    try:
        for layer in layers:
            layer.p = 0.0
        still = register(*brains, Options(probabilistic, samples=3, device="cpu", decide=False))
    finally:
        for layer in layers:
            layer.p = 0.2
    assert config.dropout
    assert not still.uncertainty.psi.variance.any()
    assert still.quality.deviation_mm.max == 0
    torch.testing.assert_close(still.psi, plain.psi, rtol=1e-4, atol=1e-4)


def test_the_mean_converges(probabilistic):
    """Four times as many samples halve the distance between two means of them."""
    generator = torch.Generator().manual_seed(0)
    patches = [torch.rand(4, 1, 15, 15, 15, generator=generator) for _ in range(2)]

    @torch.no_grad()
    def draw():
        return (probabilistic.prediction(*patches),) * 3

    def distance(count):
        first, second = (sample(probabilistic, draw, count, seed).psi.mean for seed in (1, 2))
        return (first - second).norm().item()

    assert 0.3 < distance(128) / distance(32) < 0.7


def test_a_failure_leaves_dropout_off(probabilistic):
    def fail():
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        sample(probabilistic, fail, 2)
    assert not any(layer.training for layer in dropouts(probabilistic))


@pytest.mark.parametrize("samples", [0, 1])
def test_one_sample_has_no_variance(probabilistic, samples):
    with pytest.raises(QuicksilverError, match="at least 2 samples"):
        sample(probabilistic, lambda: None, samples)


def test_a_model_without_dropout_is_refused(brain_files, model_file, tmp_path, command):
    words = ("register", *brain_files, "-o", tmp_path / "out", "--model", model_file, "--no-affine")
    code, shown, error = command(*words, "--no-decide", "--samples", 5)
    assert code == 2
    assert shown == ""
    assert "Traceback" not in error
    sentence = error.strip().splitlines()[-1]
    assert sentence.startswith("quicksilver: expected a probabilistic model")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_mean_and_variance(
    brains, brain_files, probabilistic, tmp_path, command
):
    save_model(probabilistic, tmp_path / "model.safetensors")
    words = ("register", *brain_files, "--model", tmp_path / "model.safetensors", "--no-affine")
    for name in ("out", "again"):
        code, shown, error = command(
            *words, "--no-decide", "--samples", 3, "--seed", 7, "-o", tmp_path / name
        )
        assert code == 0, error
        assert "standard deviation of the samples" in shown, error
    out = tmp_path / "out"
    for name in ("displacement", "inverse_displacement"):
        for what in ("", "_mean", "_variance"):
            first, second = (
                nib.load(tmp_path / f / f"{name}{what}.nii.gz") for f in ("out", "again")
            )
            assert np.array_equal(first.dataobj, second.dataobj), "another run, another answer"
    target = brains[1].grid
    variance = np.asarray(nib.load(out / "displacement_variance.nii.gz").dataobj)
    assert variance.shape == (*target.shape, 3)
    assert variance.min() >= 0
    assert variance.max() > 1e-3
    mean, map_ = (read_field(out / f"displacement{what}.nii.gz") for what in ("_mean", ""))
    assert mean.grid.matches(target)
    assert not torch.equal(mean.vectors, map_.vectors)
    # A second-order difference: far below the standard deviation of a single sample.
    apart = (mean.vectors - map_.vectors).norm(dim=1).mean()
    assert apart < 0.5 * np.sqrt(variance.sum(axis=-1)).mean()
    summary = json.loads((out / "result.json").read_text())
    assert summary["settings"]["samples"] == 3
    assert summary["settings"]["seed"] == 7
    assert summary["quality"]["deviation_mm"]["median"] > 0


def test_the_variance_is_in_square_millimetres_of_the_world(found, tmp_path):
    save_registration(found, tmp_path)
    drawn, pair = found.uncertainty, found.pair
    for name, moments, there, expected in (
        ("displacement", drawn.psi, pair.target_image, pair.forward(drawn.psi.mean)),
        ("inverse_displacement", drawn.phi, pair.placed, pair.backward(drawn.phi.mean)),
    ):
        stored = np.asarray(nib.load(tmp_path / f"{name}_variance.nii.gz").dataobj)
        millimetres = regrid(moments.variance, pair.grid, there.grid)[0]
        assert np.allclose(stored.transpose(3, 0, 1, 2), millimetres, rtol=1e-5)
        mean = read_field(tmp_path / f"{name}_mean.nii.gz").vectors
        torch.testing.assert_close(mean, expected.vectors)


def test_the_report_has_one_more_column(found, registration, tmp_path):
    draw(make_views(found), "", tmp_path / "with.png")
    draw(make_views(registration), "", tmp_path / "without.png")
    wide, narrow = (png.imread(tmp_path / f"{name}.png") for name in ("with", "without"))
    assert wide.shape[1] - narrow.shape[1] == 260
    last = np.array_split(wide[90:-60, 40:, :3], 8, axis=1)[-1]
    for plane in np.array_split(last, 3, axis=0):
        assert plane.std() > 0.03
        assert np.ptp(plane, axis=-1).mean() > 0.01
    volumes = make_views(found)
    root = found.uncertainty.psi.variance.sum(dim=1).sqrt().max().item()
    assert 0.8 * root < volumes.deviation.max() <= root * (1 + 1e-5)
