"""Recipes of training: images, network, stages, and the words on the card.

A recipe is YAML, checked by pydantic: an unknown or misspelt entry is refused. The files in
`recipes/` beside this module ship with the package and can be read by name.
"""

from __future__ import annotations

import math
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.networks.patch import PATCH_SIZE
from quicksilver.training.settings import (
    SMALLEST,
    Data,
    Fits,
    Network,
    Part,
    Shooting,
    Stage,
    Variation,
)

RECIPES = files("quicksilver.training") / "recipes"
SUFFIX = ".yaml"


class Recipe(Part):
    """Everything that decides which model comes out.

    Args:
        name: Name of the model.
        seed: Random seed.
        data: Images.
        network: Architecture.
        shooting: Metric and integrator.
        variation: Random changes of images.
        fits: The teacher's pairs.
        start: A model file, or the name of a model that ships, with whose weights networks begin. A
            network without a stage stays as it is there.
        prediction: Stage of the prediction network.
        correction: Stage of the correction network.
        training_data: For the card.
        licence: For the card.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    data: Data
    network: Network = Network()
    shooting: Shooting = Shooting()
    variation: Variation = Variation()
    fits: Fits | None = None
    start: str | None = None
    prediction: Stage | None = None
    correction: Stage | None = None
    training_data: str = ""
    licence: str = ""

    @field_validator("name")
    @classmethod
    def _can_be_shown(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("holds characters that cannot be printed")
        return name

    @model_validator(mode="after")
    def _has_room(self) -> Recipe:
        least = PATCH_SIZE if self.network.architecture == "patch" else SMALLEST
        frame, factor = self.data.shape, self.network.prediction_factor
        grids = [(frame, factor, least), (self.variation.window or frame, factor, least)]
        if self.fits is not None:
            grids.append((frame, max(self.fits.levels), SMALLEST))
        for shape, coarser, needed in grids:
            left = math.ceil(min(shape) / coarser)
            if left < needed:
                raise ValueError(
                    f"{left} voxels along an axis, where {needed} are needed: make the frame or "
                    "the window larger, or a factor or level smaller"
                )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.prediction is None and (self.start is None or self.correction is None):
            raise ValueError(
                "nothing to train: give a stage, prediction or, with start, correction"
            )
        if self.network.coarse_corrections > 0 and self.start is None:
            raise ValueError("coarse corrections are by the network of a model: give start")
        for stage in filter(None, (self.prediction, self.correction)):
            if stage.source == "fits" and self.fits is None:
                raise ValueError("a stage trains on fits: say in `fits` how many")
            if stage.source == "fits" and self.data.images is None:
                raise ValueError("fits are of images: give data.images")
            if stage.source == "fits" and self.network.architecture != "patch":
                raise ValueError("fits are for networks of patches: choose images or geodesics")
            if stage.source == "images" and stage.objective == "momentum":
                raise ValueError("the momentum of images is not known: choose the energy")
            if stage.source == "fits" and stage.objective == "energy":
                raise ValueError("patches have no energy: choose the momentum")
            if stage.source == "fits" and self.network.prediction_factor > 1:
                raise ValueError("fits are at the spacing of the frame: leave prediction_factor 1")
        return self


def shipped_recipes() -> list[str]:
    """List the names of the recipes that ship with the package."""
    names = (file.name for file in RECIPES.iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe: a file, or by its name one that ships with the package.

    Raises QuicksilverError, naming the entry, where it is missing or wrong.

    >>> read_recipe("default-2mm").data.spacing
    2.0
    """
    if str(name) in shipped_recipes():
        with as_file(RECIPES / f"{name}{SUFFIX}") as file:
            return _read_file(file)
    return _read_file(require_file(name, "a recipe"))


def _read_file(path: Path) -> Recipe:
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        entry, reason = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        found = f"a wrong '{entry}' ({reason})" if entry else reason
        raise QuicksilverError(
            f"expected {path} to be a recipe, found {found}; compare it with those that ship "
            f"({', '.join(shipped_recipes())})"
        ) from error
    except (OSError, ValueError, RecursionError, OverflowError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise QuicksilverError(
            f"expected {path} to be a readable YAML file, found '{reason}'; check the path"
        ) from error
