"""Train a model by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import Device, Folder, say

WRITTEN = (
    *(f"{stage}{part}.pt" for stage in ("prediction", "correction") for part in ("", "-best")),
    *("log.jsonl", "curve.png", "model.safetensors", "model.md"),
)
"""The files of a training."""


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="YAML file, or a recipe that ships: default-2mm, default-1mm, probabilistic, "
            "quicksilver-2017."
        ),
    ],
    output: Folder,
    data: Annotated[Path, typer.Option(help="Folder of the images that the recipe names.")],
    device: Device = "auto",
) -> None:
    """Train a model by a recipe, from raw images to a model file with its card.

    It says first what time and memory it will take. Stopped and called again with the same folder,
    training resumes. Under `torchrun` several GPUs or machines train together.
    """
    from quicksilver.io import files
    from quicksilver.runtime import devices
    from quicksilver.training.recipe import read_recipe
    from quicksilver.training.train import train as run_training

    read = read_recipe(recipe)
    files.require_apart([output / name for name in WRITTEN], [recipe, read.start or ""])
    files.require_writable(output)
    run_training(read, data, output, devices.pick_device(device), tell=say)
    say(f"model: {output / 'model.safetensors'}")
