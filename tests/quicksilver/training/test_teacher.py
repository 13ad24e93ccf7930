"""The teacher's fits, and where they start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import quicksilver_ext as qs
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.fits import load_pair, pair_files
from quicksilver.lddmm.matching import Matching
from quicksilver.lddmm.unfolding import unfold
from quicksilver.networks.files import save_model
from quicksilver.networks.inference import infer_momenta
from quicksilver.training.settings import Fits
from quicksilver.training.teacher import fit_pairs
from tests.quicksilver.training_data import people


def test_a_fit_starts_from_the_momentum_of_a_model(helpful_model, tmp_path):
    save_model(helpful_model, tmp_path / "model.safetensors")
    settings = Fits(
        pairs=1, levels=(1,), iterations=(1,), steps=4, start=str(tmp_path / "model.safetensors")
    )
    metric, subjects = qs.FluidMetric(), people(3)
    (file,) = pair_files(fit_pairs(subjects, settings, metric, tmp_path / "fits", 0))
    about = load_pair(file).about
    one, other = (subjects.names.index(about[name]) for name in ("moving", "target"))
    images = Images(subjects.image(one), subjects.image(other))
    start = infer_momenta(helpful_model, images.moving, images.target)[-1]
    matching = Matching.at(images, metric, settings.fitting(), 1)
    tame = unfold(start, matching.shoot).momentum
    assert start.any()
    assert about["energies"][0][0] == pytest.approx(matching.energies(tame, [0]).item(), rel=1e-5)


def test_the_original_s_fit_starts_from_zero():
    with pytest.raises(ValidationError, match="leave start out"):
        Fits(pairs=1, method="quicksilver", start="default-2mm")
