"""Turn published checkpoints into a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import say


def import_weights(
    prediction: Annotated[Path, typer.Argument(help="Checkpoint of the prediction network.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Model file to write.")],
    correction: Annotated[
        Path | None, typer.Argument(help="Checkpoint of the correction network.")
    ] = None,
    dropout: Annotated[
        bool, typer.Option("--dropout", help="The weights are of the probabilistic form.")
    ] = False,
) -> None:
    """Turn published Quicksilver checkpoints (.pth.tar) into a model file, bit for bit.

    The model keeps their metric, integrator, scale of intensities and float32 weights.
    """
    from quicksilver.io.files import require_apart
    from quicksilver.networks.files import require_model_name, save_model
    from quicksilver.networks.published import load_published

    require_model_name(output)
    require_apart([output], [path for path in (prediction, correction) if path is not None])
    model = load_published(prediction, correction, dropout)
    sources = [path.name for path in (prediction, correction) if path is not None]
    model.config.training_data = f"imported from {' and '.join(sources)}, as published"
    model.config.licence = "that of the imported checkpoints"
    save_model(model, output)
    say(f"model: {output}")
