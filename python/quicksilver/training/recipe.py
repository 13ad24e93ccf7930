"""What a recipe file says: images, network, stages of training, and the words on the card.

YAML, checked by pydantic: an unknown or misspelt entry is refused. The files in `recipes/` beside
this module ship with the package and can be read by name.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.lddmm.matching import QUICKSILVER, FitSettings

RECIPES = files("quicksilver.training") / "recipes"
SUFFIX = ".yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Images(_Part):
    """Which images, relative to the folder given with --data, and the frame they are brought to.

    images, labels: patterns with one `*`, which stands for a person's name; without `images`, images are
    synthesised from the label maps. matrices: JSON with, per person, a 4 x 4 `M` from the frame to
    the person, RAS mm. held_out: the last so many by name, two at least, are for validation only.
    """

    images: str | None = None
    labels: str | None = None
    matrices: str | None = None
    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    spacing: PositiveFloat
    origin: tuple[float, float, float]
    held_out: Annotated[int, Field(ge=2)]
    validation_pairs: PositiveInt = 6

    @model_validator(mode="after")
    def _names_something(self) -> Images:
        for pattern in (self.images, self.labels):
            if pattern is not None and pattern.count("*") != 1:
                raise ValueError("a pattern has one * for the person's name")
        if self.images is None and self.labels is None:
            raise ValueError("give images or labels")
        return self

    @property
    def named(self) -> str:
        """The pattern that decides who there is."""
        pattern = self.images or self.labels
        assert pattern is not None
        return pattern


class Network(_Part):
    """The architecture (see `quicksilver.networks.model.ModelConfig`).

    prediction_factor: how much coarser than the frame the prediction network sees the images.
    corrections: how often the correction network is asked, each time with the target warped back
    once more. coarse_corrections: how often the correction network of the model in `start` corrects
    before, on the grid of the prediction. sharpness: images sharper than that (`quicksilver.images.filters`) are softened before a
    network sees them, in training and after; None: none are.
    """

    architecture: Literal["patch", "horizontal"] = "horizontal"
    features: PositiveInt = 16
    prediction_factor: PositiveInt = 1
    coarse_corrections: NonNegativeInt = 0
    corrections: PositiveInt = 1
    dropout: bool = False
    sharpness: PositiveFloat | None = None


class Shooting(_Part):
    """Metric, in voxels of the frame, and integrator of the model."""

    alpha: NonNegativeFloat = 0.01
    beta: NonNegativeFloat = 0.01
    gamma: PositiveFloat = 0.001
    power: Literal[1, 2] = 1
    method: Literal["ab2", "rk4"] = "ab2"
    steps: PositiveInt = 10
    borders: Literal["extended", "original"] = "extended"
    inverse_iterations: PositiveInt = 5


class Variation(_Part):
    """How training images are changed at random, so that the network sees more than it is given.

    scanner: of sharpness and contrast that both images of a pair have in common
    (`quicksilver.training.synthesis.rescan`), 1 is a wide range of scanners. intensity: of contrast, bias
    field, blur and noise that the network sees in each (`quicksilver.training.synthesis.disturb`). rotation (degrees), scale, shift (voxels): standard deviations of a pose
    common to both images. misalignment: of what an affine alignment leaves between them. Every pair
    is mirrored with probability one half. window: a random box of so many voxels of every pair, the
    same of both images, where a step on the whole frame is too dear.
    """

    scanner: NonNegativeFloat = 1.0
    intensity: NonNegativeFloat = 0.4
    rotation: NonNegativeFloat = 5.0
    scale: NonNegativeFloat = 0.04
    shift: NonNegativeFloat = 1.0
    misalignment: NonNegativeFloat = 0.015
    window: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None


class Fits(_Part):
    """The teacher's pairs: how many random ones, and how each is fitted (`quicksilver fit`).

    method: "lbfgs" with these levels, iterations and steps, or "quicksilver", the original's 50
    equal steps at full resolution.
    """

    pairs: PositiveInt
    method: Literal["lbfgs", "quicksilver"] = "lbfgs"
    levels: tuple[PositiveInt, ...] = (2, 1)
    iterations: tuple[PositiveInt, ...] = (20, 15)
    steps: PositiveInt = 10

    def fitting(self) -> FitSettings:
        """The settings of `quicksilver.lddmm.matching.fit`."""
        if self.method == "quicksilver":
            return QUICKSILVER
        return FitSettings(levels=self.levels, iterations=self.iterations, steps=self.steps)


class Stage(_Part):
    """How one network is trained.

    source: what a batch is: "images" (random pairs of people), "geodesics" (a person and a random
    geodesic: the true momentum is known) or "fits" (patches of the teacher's pairs). objective: "energy", the LDDMM
    energy through `shoot`, or "momentum", the distance to the known one. loss, sigma, shooting_steps:
    of the energy (`quicksilver.lddmm.losses`). unfolding: weight of small Jacobian determinants. batch: pairs, or patches, per
    process. decay: the part of the steps at the end in which the learning rate falls to zero.
    average: decay per step of the mean of the weights, which is what is validated and kept.
    """

    source: Literal["images", "geodesics", "fits"] = "images"
    objective: Literal["energy", "momentum"] = "energy"
    steps: PositiveInt
    batch: PositiveInt = 1
    learning_rate: PositiveFloat = 5e-4
    warm_up: PositiveInt = 30
    decay: Annotated[float, Field(gt=0, le=1)] = 0.25
    weight_decay: NonNegativeFloat = 0.0
    clip: PositiveFloat = 0.5
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    loss: Literal["ssd", "lncc"] = "lncc"
    sigma: PositiveFloat = 0.7
    shooting_steps: PositiveInt = 5
    unfolding: NonNegativeFloat = 0.0
    velocity: NonNegativeFloat = 1.0
    validations: PositiveInt = 10
    workers: NonNegativeInt = 0


class Recipe(_Part):
    """A recipe: everything that decides which model comes out.

    start: a model file, or the name of a model that ships: networks begin with its weights. A network
    without a stage then stays as it is there.
    """

    name: str
    seed: int = 0
    data: Images
    network: Network = Network()
    shooting: Shooting = Shooting()
    variation: Variation = Variation()
    fits: Fits | None = None
    start: str | None = None
    prediction: Stage | None = None
    correction: Stage | None = None
    training_data: str = ""
    licence: str = ""

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
    """The names of the recipes that ship with the package."""
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
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(map(str, first["loc"])) or "the file"
        raise QuicksilverError(
            f"expected {path} to be a recipe, found a wrong '{entry}' ({first['msg']}); "
            f"compare it with those that ship ({', '.join(shipped_recipes())})"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise QuicksilverError(
            f"expected {path} to be a readable YAML file, found '{reason}'; check the path"
        ) from error
