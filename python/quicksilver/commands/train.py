"""Train a model on fitted pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from quicksilver.commands.common import (
    Folder,
)


def train(
    fitted: Annotated[Path, typer.Argument(help="Folder of fits that `fit --pairs` wrote.")],
    validation: Annotated[Path, typer.Argument(help="Folder of fits of other people.")],
    output: Folder,
    features: Annotated[int, typer.Option(min=1, help="Width of the networks.")] = 16,
    spacing: Annotated[float, typer.Option(min=0.1, help="Of the fits' grids, mm.")] = 2.0,
    minutes: Annotated[
        tuple[float, float], typer.Option(help="For the prediction, for the correction network.")
    ] = (40.0, 20.0),
    training_data: Annotated[str, typer.Option(help="For the model's card.")] = "",
    licence: Annotated[str, typer.Option(help="For the model's card.")] = "",
) -> None:
    """Train a model: the prediction network, then the correction network.

    Stopped and called again with the same folder, training goes on where it was.
    """
    from quicksilver import files, fits, training
    from quicksilver.models import ModelConfig
    from quicksilver.trainer import TrainingConfig

    files.require_writable(output)
    for folder in (fitted, validation):
        fits.pair_files(folder)  # now, and not after an hour on the other one
    config = ModelConfig(features, spacing=spacing, training_data=training_data, licence=licence)
    prediction, correction = (TrainingConfig(minutes=part) for part in minutes)

    def report(record: dict[str, Any]) -> None:
        typer.echo("  ".join(f"{name} {value}" for name, value in record.items()))

    training.train(fitted, validation, output, config, prediction, correction, report)
    typer.echo(f"model: {output / 'model.safetensors'}")
