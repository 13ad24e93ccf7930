"""The teacher's fits, and where they start."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.lddmm.energy import Images
from quicksilver.lddmm.fits import FittedPair, load_pair, pair_files, save_pair
from quicksilver.lddmm.matching import Matching
from quicksilver.lddmm.unfolding import unfold
from quicksilver.networks.files import load_model
from quicksilver.networks.inference import infer_momenta
from quicksilver.training.dataset import make_frame
from quicksilver.training.recipe import read_recipe
from quicksilver.training.settings import Fits
from quicksilver.training.teacher import check_fits, fit_pairs
from quicksilver.training.train import train
from tests.quicksilver.training_data import fitted_pair, people, recipe_file

ON_FITS = {"steps": 2, "source": "fits", "objective": "momentum", "batch": 2, "validations": 1}


def test_a_fit_starts_from_the_momentum_of_a_model(model_file, tmp_path):
    settings = Fits(pairs=1, levels=(1,), iterations=(1,), steps=4, start=str(model_file))
    metric, subjects = qs.FluidMetric(), people(3)
    (file,) = pair_files(fit_pairs(subjects, settings, metric, tmp_path / "fits", 0))
    about = load_pair(file).about
    one, other = (subjects.names.index(about[name]) for name in ("moving", "target"))
    images = Images(subjects.image(one), subjects.image(other))
    start = infer_momenta(load_model(model_file), images.moving, images.target)[-1]
    matching = Matching.at(images, metric, settings.fitting(), 1)
    tame = unfold(start, matching.shoot).momentum
    assert start.any()
    assert about["energies"][0][0] == pytest.approx(matching.energies(tame, [0]).item(), rel=1e-5)


def test_the_original_s_fit_starts_from_zero():
    with pytest.raises(ValidationError, match="leave start out"):
        Fits(pairs=1, method="quicksilver", start="default-2mm")


def write_fit(folder, recipe, shape=(24, 24, 24), **about):
    """Write a fit on the recipe's frame by its metric, as `quicksilver fit --pairs` does."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = fitted_pair(0, shape)
    said = {
        "moving": "people/p0_t1.nii.gz",
        "target": "people/p1_t1.nii.gz",
        "affine": make_frame(recipe.data).affine.tolist(),
        "metric": {"alpha": 0.01, "beta": 0.01, "gamma": 0.001, "power": 1, "pad": 8},
    }
    parts = pair.moving, pair.target, pair.momentum
    save_pair(FittedPair(*parts, said | about), folder / "a.h5")


def on_a_folder_of_fits(folder):
    network = {"architecture": "patch", "features": 1}
    stages = {"prediction": ON_FITS, "correction": ON_FITS}
    return read_recipe(recipe_file(folder, network=network, fits={"folder": "own"}, **stages))


def test_a_training_learns_from_a_folder_of_fits(data, tmp_path):
    recipe = on_a_folder_of_fits(tmp_path)
    write_fit(data / "own", recipe)
    before = (data / "own" / "a.h5").read_bytes()
    model = train(recipe, data, tmp_path / "out")
    assert model.correction is not None
    assert not (tmp_path / "out" / "fits").exists()
    assert [file.name for file in pair_files(tmp_path / "out" / "residuals")] == ["a.h5"]
    assert (data / "own" / "a.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shape": (24, 24, 25)}, "on its frame, found one of another shape"),
        ({"affine": np.diag([2.0, 2, 2, 1]).tolist()}, "on its frame, found one of another"),
        ({"affine": "none"}, "that say what they are of"),
        ({"metric": {"alpha": 0.02, "beta": 0.01, "gamma": 0.001, "power": 1}}, "by its metric"),
        ({"metric": 3}, "that say what they are of"),
        ({"intensity": "equalised"}, "of percentile intensities, found equalised"),
        ({"target": "elsewhere/p5_t1.nii.gz"}, "held out, found p5_t1.nii.gz"),
        ({"moving": "5"}, "held out, found 5"),
    ],
)
def test_fits_that_a_recipe_cannot_use_are_refused_before_anything_is_trained(
    change, sentence, data, tmp_path
):
    recipe = on_a_folder_of_fits(tmp_path)
    write_fit(data / "own", recipe, **change)
    with pytest.raises(QuicksilverError, match=sentence):
        train(recipe, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_of_fits_is_refused(tmp_path):
    with pytest.raises(QuicksilverError, match="found none"):
        check_fits(tmp_path, on_a_folder_of_fits(tmp_path), [])


@pytest.mark.parametrize("fits", [{}, {"pairs": 2, "folder": "a"}, {"folder": "a", "steps": 4}])
def test_fits_are_made_or_given(fits):
    with pytest.raises(ValidationError, match=r"give either pairs|leave all but folder out"):
        Fits(**fits)
