"""Warp with a saved registration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import (
    Saved,
)
from quicksilver.errors import QuicksilverError


def apply(
    saved: Saved,
    image: Annotated[Path, typer.Argument(help="NIfTI image to warp.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="NIfTI file to write.")],
    labels: Annotated[bool, typer.Option("--labels", help="Nearest neighbour.")] = False,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="From the target to the moving image's grid.")
    ] = False,
) -> None:
    """Warp another image or label map with a saved registration."""
    from quicksilver import images, results

    result = results.load(saved)
    field = result.inverse if inverse else result.displacement
    source = images.read_image(image, labels=labels)
    warped = field.warp(source, "nearest" if labels else "linear")
    if not warped.data.any():
        raise QuicksilverError(
            f"expected {image} to lie where the registered images are, found no overlap in world "
            f"coordinates; give an image of the {'target' if inverse else 'moving'} space"
        )
    images.write_image(output, warped.data, warped.affine)
