"""What several commands share: their arguments, reading a pair, writing a registration."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from quicksilver.images import Image
    from quicksilver.models import Model
    from quicksilver.registration import Registration
    from quicksilver.stages import Progress

Moving = Annotated[Path, typer.Argument(help="NIfTI image that is deformed.")]
Target = Annotated[Path, typer.Argument(help="NIfTI image that it is brought to.")]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]
Saved = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that register or fit wrote.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Time steps of the geodesic; the model's by default.")
]
ModelFile = Annotated[
    Path | None, typer.Option("--model", help="Model file; the one that ships by default.")
]


def read_pair(progress: Progress, moving: Path, target: Path) -> tuple[Image, Image, float]:
    """Both images, and the seconds that reading them took."""
    from quicksilver.images import read_image

    progress("read")
    start = time.perf_counter()
    return read_image(moving), read_image(target), time.perf_counter() - start


def save_registration(
    found: Registration, folder: Path, about: dict[str, str], reading: float, progress: Progress
) -> dict[str, Any]:
    """Write a registration with the seconds that came before it; the content of result.json."""
    from dataclasses import replace

    from quicksilver import results

    timed = replace(found, seconds={"read": reading, **found.seconds})
    return results.save(timed, folder, about=about, progress=progress)


def chosen_model(path: Path | None) -> Model:
    """The model of a file in either format, or the one that ships."""
    from quicksilver import models

    if path is None:
        return models.default_model()
    published = path.name.endswith((".pth.tar", ".pth", ".tar"))
    return models.load_published(path) if published else models.load_model(path)
