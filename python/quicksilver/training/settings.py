"""The parts of a recipe: images, network, integrator, variation, fits and stages of training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from quicksilver.images.intensity import Intensity
from quicksilver.images.resampling import MAX_SIZE
from quicksilver.lddmm.matching import QUICKSILVER, FitSettings
from quicksilver.networks.patch import DROPOUT
from quicksilver.networks.schema import Weight, check_reach
from quicksilver_ext import FluidMetric

SMALLEST = 4
"""Voxels along an axis that a geodesic needs, on the grid of the prediction too."""

Size = Annotated[int, Field(ge=8, le=MAX_SIZE)]
Place = Annotated[float, Field(ge=-1e5, le=1e5)]  # mm
TimeSteps = Annotated[int, Field(ge=1, le=1000)]
Updates = Annotated[int, Field(ge=1, le=10_000_000)]
Iterations = Annotated[int, Field(ge=1, le=100_000)]
Factor = Annotated[int, Field(ge=1, le=16)]
Positive = Annotated[float, Field(ge=1e-9, le=1e6)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_switch(cls, value: object, info: ValidationInfo) -> object:
        """Refuse YAML's `true`, `yes` and `on` for numbers, as which pydantic would take them."""
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError(f"not true or false: {str(value).lower()}")
        return value


class Data(Part):
    """Images, relative to the folder given with --data, and the frame they are brought to.

    Args:
        images: Pattern with one `*`, which stands for a subject's name; None: images are painted
            after the label maps.
        labels: Pattern of the label maps, likewise.
        matrices: JSON with a 4 x 4 `M` per subject, from the frame to the subject, RAS mm.
        shape: Voxels of the frame.
        spacing: Of the frame, mm.
        origin: Of the frame, mm.
        intensity: How images are scaled, in training and by whoever uses the model
            (`quicksilver.images.intensity.normalise`).
        held_out: Number of subjects, the last by name and at least two, used for validation only.
        validation_pairs: Number of pairs on which networks are validated.
    """

    images: str | None = None
    labels: str | None = None
    matrices: str | None = None
    shape: tuple[Size, Size, Size]
    spacing: Annotated[float, Field(ge=0.01, le=100)]
    origin: tuple[Place, Place, Place]
    intensity: Intensity = "percentile"
    held_out: Annotated[int, Field(ge=2)]
    validation_pairs: PositiveInt = 6

    @model_validator(mode="after")
    def _names_something(self) -> Data:
        for pattern in (self.images, self.labels):
            if pattern is not None and pattern.count("*") != 1:
                raise ValueError("a pattern has one * for the subject's name")
        if self.images is None and self.labels is None:
            raise ValueError("give images or labels")
        if self.images is None and self.intensity != "percentile":
            raise ValueError("painted images are scaled already: leave intensity out")
        return self

    @property
    def named(self) -> str:
        """The pattern that decides which subjects there are."""
        pattern = self.images or self.labels
        assert pattern is not None
        return pattern


class Network(Part):
    """Architecture of the networks (see `quicksilver.networks.model.ModelConfig`).

    Args:
        architecture: "patch" or "horizontal".
        features: Channels at full resolution.
        prediction_factor: How much coarser than the frame the prediction network sees the images.
        coarse_corrections: Number of corrections on the grid of the prediction, by the correction
            network of the model in `start`.
        corrections: Number of corrections, each with the target warped back once more.
        dropout: Whether the networks have dropout.
        dropout_rate: Its probability. A mean over 16 features has with 0.06 the noise that one over
            the paper's 64 has with 0.2.
        sharpness: Images sharper than this (`quicksilver.images.sharpness`) are softened before a
            network sees them, in training and after; None: none are.
        relative: Whether momenta are bound to what differs between the images
            (`quicksilver.networks.evidence`).
    """

    architecture: Literal["patch", "horizontal"] = "horizontal"
    features: Annotated[int, Field(ge=1, le=1024)] = 16
    prediction_factor: Factor = 1
    coarse_corrections: Annotated[int, Field(ge=0, le=100)] = 0
    corrections: Annotated[int, Field(ge=1, le=100)] = 1
    dropout: bool = False
    dropout_rate: Annotated[float, Field(gt=0, lt=1)] = DROPOUT
    relative: bool = False
    sharpness: Positive | None = None


class Shooting(Part):
    """Metric, in voxels of the frame, and integrator of the model."""

    alpha: Weight = 0.01
    beta: Weight = 0.01
    gamma: Positive = 0.001
    power: Literal[1, 2] = 1
    method: Literal["ab2", "rk4"] = "ab2"
    steps: TimeSteps = 10
    borders: Literal["extended", "original"] = "extended"
    inverse_iterations: TimeSteps = 5

    @model_validator(mode="after")
    def _reaches_not_too_far(self) -> Shooting:
        check_reach(FluidMetric(self.alpha, self.beta, self.gamma, self.power))
        return self


class Variation(Part):
    """Random changes of training images, so that the network sees more than it is given.

    Every pair is mirrored with probability one half.

    Args:
        scanner: Of sharpness and contrast, common to both images of a pair
            (`quicksilver.training.synthesis.vary_scanner`); 1 is a wide range of scanners.
        intensity: Of contrast, bias field, blur and noise in each image
            (`quicksilver.training.synthesis.disturb`).
        rotation: Standard deviation of a pose common to both images, degrees.
        scale: Likewise, of the logarithm of its scale.
        shift: Likewise, voxels.
        misalignment: Standard deviation of what an affine alignment leaves between them.
        window: A random box of this many voxels, the same of both images, where a step on the whole
            frame is too expensive; None: the whole frame.
        rescans: Part of the pairs that are one subject scanned twice, in half of which a small
            geodesic has moved something.
    """

    scanner: Annotated[float, Field(ge=0, le=10)] = 1.0
    intensity: Annotated[float, Field(ge=0, le=10)] = 0.4
    rotation: Annotated[float, Field(ge=0, le=360)] = 5.0
    scale: Annotated[float, Field(ge=0, le=1)] = 0.04
    shift: Annotated[float, Field(ge=0, le=MAX_SIZE)] = 1.0
    misalignment: Annotated[float, Field(ge=0, le=1)] = 0.015
    rescans: Annotated[float, Field(ge=0, le=1)] = 0.0
    window: tuple[Size, Size, Size] | None = None


class Fits(Part):
    """Random pairs for the teacher and how each is fitted (`quicksilver fit`), or a folder of fits.

    Args:
        pairs: Number of pairs.
        folder: Folder that `quicksilver fit --pairs` wrote, relative to the images' (--data), in
            place of all others here: fits on the recipe's frame, by its metric, of no subject that
            is held out.
        method: "lbfgs", or "quicksilver", the original's 50 equal steps at full resolution.
        levels: Of "lbfgs": how much coarser each level is.
        iterations: Of "lbfgs": largest number of iterations on each level.
        steps: Of "lbfgs": time steps of the geodesic.
        start: Of "lbfgs": a model, by name or file, from whose momentum each fit starts; None: from
            zero.
    """

    pairs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    folder: str | None = None
    method: Literal["lbfgs", "quicksilver"] = "lbfgs"
    levels: Annotated[tuple[Factor, ...], Field(min_length=1, max_length=8)] = (2, 1)
    iterations: tuple[Iterations, ...] = (20, 15)
    steps: TimeSteps = 10
    start: str | None = None

    @model_validator(mode="after")
    def _starts_as_it_can(self) -> Fits:
        if (self.pairs is None) == (self.folder is None):
            raise ValueError("give either pairs, to be fitted, or a folder of fits")
        if self.folder is not None and self.model_fields_set != {"folder"}:
            raise ValueError("the fits of a folder are made already: leave all but folder out")
        if self.start is not None and self.method == "quicksilver":
            raise ValueError("the original's descent starts from zero: leave start out")
        if len(self.levels) != len(self.iterations):
            raise ValueError("each level has its number of iterations")
        return self

    def fitting(self) -> FitSettings:
        """Return the settings of `quicksilver.lddmm.matching.fit`."""
        if self.method == "quicksilver":
            return QUICKSILVER
        return FitSettings(levels=self.levels, iterations=self.iterations, steps=self.steps)


class Stage(Part):
    """How one network is trained.

    Args:
        source: "images" (random pairs of subjects), "geodesics" (a subject and a random geodesic:
            the true momentum is known) or "fits" (patches of the teacher's pairs).
        objective: "energy", the LDDMM energy through `shoot`, or "momentum", the distance to the
            known one.
        steps: Number of updates.
        batch: Pairs, or patches, per process.
        learning_rate: The largest one.
        warm_up: Steps in which it rises.
        decay: Part of the steps, at the end, in which it falls to zero.
        dropout_ramp: Steps in which the probability of dropout rises from zero to the network's.
        weight_decay: Of AdamW.
        clip: Largest norm of the gradient.
        average: Decay per step of the mean of the weights, which is what is validated and kept.
        precision: Type in which the network computes.
        loss: Of the energy (`quicksilver.lddmm.losses`).
        sigma: Of the loss.
        shooting_steps: Time steps of the geodesic in the energy.
        unfolding: Weight of the penalty of small Jacobian determinants.
        velocity: Weight of the velocity in the distance of momenta.
        validations: Number of validations.
        workers: Processes that make batches; 0: this one.
    """

    source: Literal["images", "geodesics", "fits"] = "images"
    objective: Literal["energy", "momentum"] = "energy"
    steps: Updates
    batch: Annotated[int, Field(ge=1, le=4096)] = 1
    learning_rate: Annotated[float, Field(ge=1e-12, le=1)] = 5e-4
    warm_up: Updates = 30
    decay: Annotated[float, Field(gt=0, le=1)] = 0.25
    dropout_ramp: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    clip: Positive = 0.5
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    loss: Literal["ssd", "lncc"] = "lncc"
    sigma: Annotated[float, Field(ge=1e-3, le=1e3)] = 0.7
    shooting_steps: TimeSteps = 5
    unfolding: Weight = 0.0
    velocity: Weight = 1.0
    validations: Annotated[int, Field(ge=1, le=10_000)] = 10
    workers: Annotated[int, Field(ge=0, le=256)] = 0
