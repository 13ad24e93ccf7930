"""Register two images by prediction."""

from __future__ import annotations

from typing import Annotated

import typer

from quicksilver.commands.common import (
    Device,
    Folder,
    ModelFile,
    Moving,
    Steps,
    Target,
    chosen_model,
    read_pair,
    save_registration,
)


def register(
    moving: Moving,
    target: Target,
    output: Folder,
    model: ModelFile = None,
    device: Device = "auto",
    steps: Steps = None,
    no_correction: Annotated[bool, typer.Option("--no-correction", help="Predict only.")] = False,
    samples: Annotated[
        int | None, typer.Option(min=2, help="Predict so often with dropout: mean and variance.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the dropout with --samples.")] = 0,
    refine: Annotated[
        int, typer.Option(min=0, help="Iterations of LDDMM from the prediction on.")
    ] = 0,
) -> None:
    """Register two affinely aligned images: predict, shoot, correct, shoot."""
    from quicksilver import console, files, registration

    files.require_writable(output)
    chosen = registration.pick_device(device)
    with console.progress() as progress:
        first, second, seconds = read_pair(progress, moving, target)
        found = registration.register(
            first,
            second,
            chosen_model(model),
            device=chosen,
            steps=steps,
            correction=not no_correction,
            refine=refine,
            samples=samples,
            seed=seed,
            progress=progress,
        )
        about = {
            "command": "register",
            "moving": str(moving),
            "target": str(target),
            "model": str(model or "default"),
        }
        summary = save_registration(found, output, about, seconds, progress)
    console.show_registration(summary)
    typer.echo(f"report: {output / 'report.png'}")
