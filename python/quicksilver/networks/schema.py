"""The ranges of everything that a model file says of its networks and its geodesics."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quicksilver.images.intensity import Intensity
from quicksilver.lddmm.metric import pad_metric
from quicksilver.networks.model import ModelConfig
from quicksilver.networks.patch import PATCH_SIZE
from quicksilver_ext import FluidMetric

Weight = Annotated[float, Field(ge=0, le=1e6)]
Steps = Annotated[int, Field(ge=1, le=1000)]

LARGEST_PAD = 256
"""Voxels around a grid that a metric may need."""


class Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class MetricSchema(Checked):
    """A fluid metric in voxels."""

    alpha: Weight
    beta: Weight
    gamma: Annotated[float, Field(gt=0, le=1e6)]
    power: Annotated[float, Field(ge=1, le=4)]  # files of 0.1 have 1.0

    @model_validator(mode="after")
    def _decays(self) -> MetricSchema:
        if self.power != math.floor(self.power):
            raise ValueError("power is an integer")
        check_reach(FluidMetric(self.alpha, self.beta, self.gamma, int(self.power)))
        return self


def check_reach(metric: FluidMetric) -> None:
    """Raise ValueError for a metric that needs more than `LARGEST_PAD` voxels around a grid."""
    pad = pad_metric(metric).pad
    if isinstance(pad, int) and pad > LARGEST_PAD:
        raise ValueError(f"the metric reaches {pad} voxels far")


class ConfigSchema(Checked):
    """The fields of `quicksilver.networks.model.ModelConfig`."""

    features: Annotated[int, Field(ge=1, le=1024)]
    architecture: Literal["patch", "horizontal"]
    prediction_factor: Annotated[int, Field(ge=1, le=16)]
    coarse_corrections: Annotated[int, Field(ge=0, le=100)]
    corrections: Annotated[int, Field(ge=1, le=100)]
    dropout: bool
    dropout_rate: Annotated[float, Field(gt=0, lt=1)]
    sharpness: Annotated[float, Field(gt=0)] | None
    relative: bool
    axes_reversed: bool
    patch_size: Annotated[int, Field(ge=PATCH_SIZE, le=PATCH_SIZE)]
    stride: Annotated[int, Field(ge=1, le=PATCH_SIZE)]
    spacing: Annotated[float, Field(ge=0.01, le=100)]
    metric: MetricSchema
    method: Literal["ab2", "rk4"]
    steps: Steps
    borders: Literal["extended", "original"]
    inverse_iterations: Steps
    intensity: Intensity
    precision: Literal["half", "single"]
    training_data: str
    licence: str
    commit: str
    settings: dict[str, Any]
    results: dict[str, Any]


def check_config(config: ModelConfig) -> ModelConfig:
    """Return the configuration of a model that can be used.

    Raises:
        ValueError: An entry is of another type or out of its range; names it.
    """
    try:
        ConfigSchema.model_validate(asdict(config))
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(map(str, first["loc"]))
        raise ValueError(f"{entry} {first['input']!r:.60}: {first['msg']}") from error
    return config
