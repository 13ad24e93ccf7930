"""What several commands share: their arguments, and what happens after a registration."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from quicksilver.api import Registered

Moving = Annotated[Path, typer.Argument(help="NIfTI image that is deformed.")]
Target = Annotated[Path, typer.Argument(help="NIfTI image that it is brought to.")]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]
Saved = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that register or fit wrote.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Time steps of the geodesic; the model's by default.")
]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Model file, or one that ships: default-2mm (if none is given), default-1mm.",
    ),
]
Affine = Annotated[
    bool,
    typer.Option(
        "--affine/--no-affine", help="Align the images first, or use them where they lie."
    ),
]
InitialAffine = Annotated[
    Path | None,
    typer.Option(
        help="Matrix to begin with (ITK, FSL or FreeSurfer); with --no-affine it stays as it is."
    ),
]
MovingMask = Annotated[
    Path | None, typer.Option(help="Image that is zero where the moving image is background.")
]
TargetMask = Annotated[
    Path | None, typer.Option(help="Image that is zero where the target is background.")
]
HistogramMatching = Annotated[
    bool, typer.Option("--histogram-matching", help="Give the moving image the target's contrast.")
]
Reference = Annotated[
    Path | None, typer.Option(help="Image on whose grid results lie instead of the target's.")
]


def write_registration(
    name: str, output: Path, about: dict[str, Any], run: Callable[..., Registered]
) -> None:
    """Run a registration with its progress shown, write it, and say what came out."""
    from quicksilver.commands import console
    from quicksilver.io import files

    files.require_writable(output)
    with console.progress() as progress:
        found = run(progress=progress)
        line = shlex.join(["quicksilver", *sys.argv[1:]])
        about = {"command": name, "line": line, **about}
        summary = found.save(output, about=about, progress=progress)
    console.show_registration(summary)
    for note in found.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"report: {output / 'report.html'}")
