"""Judge a saved registration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import (
    Saved,
)


def evaluate(
    saved: Saved,
    moving_labels: Annotated[Path, typer.Option(help="Label map of the moving image.")],
    target_labels: Annotated[Path, typer.Option(help="Label map of the target.")],
    reference_map: Annotated[
        Path | None,
        typer.Option(help="Displacement field to compare the map with, such as that of a fit."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON file for the numbers.")
    ] = None,
) -> None:
    """Print the overlap per label, how regular the deformation is and how far from another."""
    from quicksilver.commands import console
    from quicksilver.io import files
    from quicksilver.io.fields import read_field
    from quicksilver.io.images import read_image
    from quicksilver.io.results import READ, load_registration
    from quicksilver.registration import evaluation

    if json_file is not None:
        read = [moving_labels, target_labels, *(saved / name for name in READ)]
        read += [] if reference_map is None else [reference_map]
        files.require_apart([json_file], read)
    result = load_registration(saved)
    moving, target = (
        read_image(path, labels=True, planar=True) for path in (moving_labels, target_labels)
    )
    reference = None if reference_map is None else read_field(reference_map)
    field, inside = result.displacement, result.warped.data != 0
    judged = {
        **evaluation.judge_labels(field, moving, target),
        "map": evaluation.judge_map(field, result.inverse, inside),
    }
    if reference is not None:
        judged["difference_mm"] = evaluation.judge_difference(field, reference, inside)
    console.show_evaluation(judged)
    if json_file is not None:
        files.write_json(json_file, judged)
