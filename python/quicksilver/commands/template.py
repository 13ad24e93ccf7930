"""Make a template of a group of images."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import Folder, say
from quicksilver.commands.options import take_options
from quicksilver.templates.options import TemplateOptions

Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGES...", help="Skull-stripped NIfTI images.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Images at once; as many as cores and memory allow by default."),
]


@take_options(TemplateOptions)
def template(options: TemplateOptions, images: Images, output: Folder, jobs: Jobs = None) -> None:
    """Make an unbiased template of a group: the mean image in the mean shape.

    Writes template.nii.gz. In each round it is registered to every image. What is registered
    already is left as it is; started by torchrun, every process takes its share of the images.
    """
    from quicksilver.commands import console
    from quicksilver.io import files
    from quicksilver.runtime import distributed
    from quicksilver.templates.build import ROUNDS, build_template, list_outputs

    files.require_apart(list_outputs(images, output, options.rounds), images)
    files.require_writable(output)
    line = shlex.join(["quicksilver", *sys.argv[1:]])
    with console.progress() as progress:
        found = build_template(
            images, output, options, jobs=jobs, about={"line": line}, progress=progress
        )
    if not distributed.is_first():  # one of torchrun's processes speaks for all
        return
    for each in found.rounds[1:]:
        if each.change_mm is not None:
            say(
                f"round {each.number}: the template moved by {each.change_mm.mean:.3f} mm, "
                f"intensities by {each.difference:.4f}, sharpness {each.sharpness:.3f}"
            )
    for name, reasons in found.left_out.items():
        say(f"note: {name} is left out, its registration failed: {reasons}")
    say(f"{output / 'template.nii.gz'}: {len(images)} images, their maps in {output / ROUNDS}")
