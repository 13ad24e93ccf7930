"""The forecast of a training: what is left, measured once, as often as it comes."""

from __future__ import annotations

import time

import pytest
import torch

from quicksilver.training import forecast
from quicksilver.training.forecast import Forecast, Work, make_forecast
from quicksilver.training.recipe import read_recipe
from quicksilver.training.train import Training, train
from tests.quicksilver.training_data import STAGE, recipe_file

CPU = torch.device("cpu")
FITS = {"steps": 4, "source": "fits", "objective": "momentum", "batch": 2, "validations": 3}


def count_works(training: Training) -> list[tuple[str, float]]:
    return [(work.name, work.times) for work in training.works()]


def test_a_work_takes_what_it_takes_once_as_often_as_it_comes():
    works = [Work("fits", 10, lambda: time.sleep(0.02), 3e9), Work("fits", 1, lambda: None, 1e9)]
    found = make_forecast(works, CPU)
    assert list(found.seconds) == ["fits"]
    assert 0.2 <= found.seconds["fits"] < 2
    assert found.memory > 4e9


def test_what_is_slow_is_done_once(monkeypatch):
    calls = []
    make_forecast([Work("a", 1, lambda: calls.append(0))], CPU)
    assert len(calls) == 2
    monkeypatch.setattr(forecast, "SLOW", 0.0)
    make_forecast([Work("a", 1, lambda: calls.append(0))], CPU)
    assert len(calls) == 3


def test_a_forecast_is_a_sentence():
    said = str(Forecast({"fits": 600.2, "prediction": 3725.0}, 3 * 2**29, 5 * 2**30))
    assert said == (
        "about 1:12:05 on this machine (fits 0:10:00, prediction 1:02:05), 1.5 GB of memory "
        "(5.0 GB more are free)"
    )


def test_fits_steps_and_validations_are_counted(data, tmp_path):
    recipe = recipe_file(
        tmp_path,
        network={"architecture": "patch", "features": 1},
        fits={"pairs": 3, "levels": [2, 1], "iterations": [8, 3], "steps": 2},
        prediction=FITS,
        correction=FITS,
    )
    training = Training(read_recipe(recipe), data, tmp_path / "out", CPU)
    pairs = len(training.validation.pairs)
    stages = [(n, k) for n in ("prediction", "correction") for k in (4, 3 * pairs)]
    assert count_works(training) == [("fits", 3 * (1 + 8 / 8 + 3)), *stages]
    (tmp_path / "out" / "fits").mkdir()
    (tmp_path / "out" / "fits" / "a.h5").touch()
    assert count_works(training)[0] == ("fits", 2 * (1 + 8 / 8 + 3))


def test_a_training_says_what_is_left_and_nothing_when_it_is_done(data, tmp_path):
    told: list[str] = []
    recipe = read_recipe(recipe_file(tmp_path))
    train(recipe, data, tmp_path / "out", tell=told.append)
    assert len(told) == 1
    assert "prediction 0:0" in told[0]
    assert "correction 0:0" in told[0]
    train(recipe, data, tmp_path / "out", tell=told.append)
    assert len(told) == 1
    longer = read_recipe(recipe_file(tmp_path, correction={**STAGE, "steps": 6}))
    training = Training(longer, data, tmp_path / "out", CPU)
    pairs = len(training.validation.pairs)
    assert count_works(training) == [("correction", 3), ("correction", pytest.approx(pairs / 2))]


def test_a_forecast_changes_nothing(data, tmp_path):
    recipe = read_recipe(recipe_file(tmp_path, correction=None))
    told = train(recipe, data, tmp_path / "told", tell=lambda news: None)
    untold = Training(recipe, data, tmp_path / "untold", CPU).run()
    pairs = zip(told.prediction.parameters(), untold.prediction.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
