"""Recipes: those of the project are ones, wrong ones are refused by name."""

from __future__ import annotations

import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.training.recipe import RECIPES, read_recipe, shipped_recipes
from tests.quicksilver.training_data import FRAME, STAGE, recipe_file


@pytest.mark.parametrize("name", shipped_recipes())
def test_the_recipes_of_the_project_are_recipes(name):
    assert read_recipe(name).name == name
    assert read_recipe(str(RECIPES / f"{name}.yaml")) == read_recipe(name)


def test_five_recipes_ship():
    assert len(shipped_recipes()) == 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prediction": {"steps": 0}}, "wrong 'prediction.steps'"),
        ({"predictions": STAGE}, "wrong 'predictions'"),
        ({"prediction": {**STAGE, "source": "fits", "objective": "momentum"}}, "say in `fits`"),
        ({"prediction": {**STAGE, "objective": "momentum"}}, "choose the energy"),
        ({"data": FRAME}, "give images or labels"),
        ({"data": {**FRAME, "labels": "p*.nii", "intensity": "maximum"}}, "painted images"),
        ({"data": {**FRAME, "images": "p*.nii", "intensity": "equal"}}, "wrong 'data.intensity'"),
        ({"data": {**FRAME, "images": "p*.nii", "held_out": 1}}, "wrong 'data.held_out'"),
        ({"data": {**FRAME, "images": "a.nii"}}, r"one \* for the subject"),
        ({"prediction": None}, "nothing to train"),
        ({"prediction": None, "correction": None, "start": "default-2mm"}, "nothing to train"),
        ({"network": {"architecture": "transformer"}}, "wrong 'network.architecture'"),
        ({"network": {"features": 10**9}}, "wrong 'network.features'"),
        ({"shooting": {"steps": 10**9}}, "wrong 'shooting.steps'"),
        ({"data": {**FRAME, "images": "p*", "shape": [3000, 20, 20]}}, "wrong 'data.shape.0'"),
        ({"data": {**FRAME, "images": "p*", "spacing": float("inf")}}, "wrong 'data.spacing'"),
        (
            {"prediction": {**STAGE, "learning_rate": float("nan")}},
            "wrong 'prediction.learning_rate'",
        ),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(changes, sentence, tmp_path):
    with pytest.raises(QuicksilverError, match=sentence) as error:
        read_recipe(recipe_file(tmp_path, **changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["a: [", "\xff\x00", "", "[1, 2]"])
def test_what_is_no_recipe_is_refused(content, tmp_path):
    (tmp_path / "r.yaml").write_text(content, encoding="latin-1")
    with pytest.raises(QuicksilverError, match=r"expected .* (recipe|YAML)"):
        read_recipe(tmp_path / "r.yaml")
