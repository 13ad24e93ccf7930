"""Register two images by prediction."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from quicksilver.commands.common import (
    Affine,
    Device,
    Folder,
    HistogramMatching,
    InitialAffine,
    ModelFile,
    Moving,
    MovingMask,
    Reference,
    Steps,
    Target,
    TargetMask,
    write_registration,
)


def register(
    moving: Moving,
    target: Target,
    output: Folder,
    model: ModelFile = None,
    affine: Affine = True,
    initial_affine: InitialAffine = None,
    moving_mask: MovingMask = None,
    target_mask: TargetMask = None,
    histogram_matching: HistogramMatching = False,
    reference: Reference = None,
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
    """Register two skull-stripped images: align, predict, shoot, correct, shoot."""
    import quicksilver

    run = partial(
        quicksilver.register,
        moving,
        target,
        model,
        affine=affine,
        initial_affine=initial_affine,
        moving_mask=moving_mask,
        target_mask=target_mask,
        histogram_matching=histogram_matching,
        reference=reference,
        device=device,
        steps=steps,
        correction=not no_correction,
        samples=samples,
        seed=seed,
        refine=refine,
    )
    about = {"moving": str(moving), "target": str(target), "model": str(model or "default")}
    write_registration("register", output, about, run)
