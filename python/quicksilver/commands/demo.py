"""Register a brain whose deformation is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import (
    Device,
    Folder,
    ModelFile,
    say,
)
from quicksilver.registration.options import Options


def demo(
    output: Folder = Path("quicksilver-demo"),
    model: ModelFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the deformation.")] = 0,
    device: Device = "auto",
) -> None:
    """Register a template brain to a deformed copy of it, and compare with the known answer."""
    from quicksilver import demo as example
    from quicksilver.commands import console
    from quicksilver.networks.shipped import open_model
    from quicksilver.runtime import devices

    chosen, seed = devices.pick_device(device), Options(seed=seed).seed
    with console.progress() as progress:
        summary = example.run_demo(
            open_model(model), output, seed=seed, device=chosen, progress=progress
        )
    console.show_registration(summary)
    before, after = (summary["error_mm"][when]["mean"] for when in ("before", "after"))
    say(f"mean distance to the known map: {before:.2f} mm before, {after:.2f} mm after")
    say(f"report: {output / 'report.html'}")
