"""What a training begins with: its recipe's configuration, and a model to start from."""

from __future__ import annotations

import math

import torch

from quicksilver.errors import QuicksilverError
from quicksilver.networks.model import Model, ModelConfig, fill_network
from quicksilver.networks.patch import PATCH_SIZE
from quicksilver.networks.shipped import open_model
from quicksilver.runtime.devices import require_memory
from quicksilver.training.card import find_commit
from quicksilver.training.dataset import WORK
from quicksilver.training.recipe import Recipe

WEIGHT = 24
"""Bytes per weight of a training: itself, its gradient, two moments, its mean and the best one."""


def make_model_config(recipe: Recipe) -> ModelConfig:
    """Return what the model file of a recipe says before its results are known."""
    shooting = recipe.shooting
    return ModelConfig(
        features=recipe.network.features,
        architecture=recipe.network.architecture,
        prediction_factor=recipe.network.prediction_factor,
        coarse_corrections=recipe.network.coarse_corrections,
        corrections=recipe.network.corrections,
        dropout=recipe.network.dropout,
        dropout_rate=recipe.network.dropout_rate,
        sharpness=recipe.network.sharpness,
        relative=recipe.network.relative,
        spacing=recipe.data.spacing,
        intensity=recipe.data.intensity,
        metric=shooting.model_dump(include={"alpha", "beta", "gamma", "power"}),
        method=shooting.method,
        steps=shooting.steps,
        borders=shooting.borders,
        inverse_iterations=shooting.inverse_iterations,
        training_data=recipe.training_data,
        licence=recipe.licence,
        commit=find_commit(),
        settings=recipe.model_dump(mode="json"),
    )


def load_starting_model(name: str, config: ModelConfig) -> Model:
    """Open the model that a training begins with, whose weights may be of networks without dropout.

    Raises:
        QuicksilverError: Its networks are of another kind than the recipe's.
    """
    model = open_model(name)
    kinds = [(c.architecture, c.features) for c in (model.config, config)]
    if kinds[0] != kinds[1]:
        raise QuicksilverError(
            f"expected a start with the recipe's networks {kinds[1]}, found {kinds[0]} in {name} "
            "(architecture, features); change `network` or `start`"
        )
    networks = {
        part: fill_network(config, network.state_dict(), name)
        for part, network in model.networks().items()
    }
    return Model(config, **networks)


def require_parts(recipe: Recipe, config: ModelConfig, device: torch.device) -> None:
    """Check, before images are read, that a training has all that it will need.

    Raises:
        QuicksilverError: The model that fits start from is none, or memory is not enough for the
            networks and their batches.
    """
    if recipe.fits is not None and recipe.fits.start is not None:
        open_model(recipe.fits.start)
    with torch.device("meta"):
        weights = sum(parameter.numel() for parameter in config.network().parameters())
    frame = math.prod(recipe.variation.window or recipe.data.shape)
    for stage in filter(None, (recipe.prediction, recipe.correction)):
        voxels = stage.batch * (PATCH_SIZE**3 if stage.source == "fits" else frame)
        advice = (
            f"a network of {weights / 1e6:.0f} million weights, and batches of "
            f"{voxels / 1e6:.1f} million voxels, are too many: lower features, batch or shape"
        )
        require_memory(float(WEIGHT * weights + WORK * voxels), device, advice)
