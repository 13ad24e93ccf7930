"""Train a model by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import Device, Folder


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file; see recipes/ of the project.")],
    output: Folder,
    data: Annotated[Path, typer.Option(help="Folder of the images that the recipe names.")],
    device: Device = "auto",
) -> None:
    """Train a model by a recipe, from raw images to a model file with its card.

    Stopped and called again with the same folder, training goes on where it was. Under `torchrun`
    several GPUs or machines train together.
    """
    from quicksilver.io import files
    from quicksilver.runtime import devices
    from quicksilver.training import recipe as recipes
    from quicksilver.training import train as training

    read = recipes.read_recipe(recipe)
    files.require_writable(output)
    training.train(read, data, output, devices.pick_device(device))
    typer.echo(f"model: {output / 'model.safetensors'}")
