"""Label an image by atlases."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import Folder, say
from quicksilver.commands.options import take_options
from quicksilver.labelling.options import LabelOptions

Atlases = Annotated[
    list[Path], typer.Option(metavar="<path>", help="Image of an atlas; repeat for more.")
]
Labels = Annotated[
    list[Path],
    typer.Option(metavar="<path>", help="Labels of an atlas, on its grid, as --atlas in order."),
]
Names = Annotated[
    Path | None, typer.Option(help="CSV with the columns label and name, for volumes.csv.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Atlases at once; as many as cores and memory allow by default."),
]


@take_options(LabelOptions)
def label(
    options: LabelOptions,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image to label.")],
    atlas: Atlases,
    atlas_labels: Labels,
    output: Folder,
    label_names: Names = None,
    jobs: Jobs = None,
) -> None:
    """Label an image by atlases: register each to it, warp its labels, fuse them.

    Writes labels.nii.gz on the image's own grid, volumes.csv and report.html. Atlases that are
    registered already are left as they are; started by torchrun, every process takes its share of
    them.
    """
    from quicksilver.commands import console
    from quicksilver.io import files
    from quicksilver.labelling.atlases import find_atlases, read_names
    from quicksilver.labelling.label import ATLASES, label_image, list_outputs
    from quicksilver.runtime.devices import pick_device

    options = replace(options, device=pick_device(options.device))  # before files are read
    others = [Path(path) for path in (options.mask, label_names) if path is not None]
    atlases = find_atlases(atlas, atlas_labels)
    names = read_names(label_names) if label_names else {}
    files.require_apart(list_outputs(atlases, output), [image, *atlas, *atlas_labels, *others])
    files.require_writable(output)
    with console.progress() as progress:
        found = label_image(
            image,
            atlases,
            output,
            options,
            names=names,
            jobs=jobs,
            about={"line": shlex.join(["quicksilver", *sys.argv[1:]])},
            progress=progress,
        )
    if found is None:
        say(f"other processes still register atlases in {output / ATLASES}; the last one fuses")
        return
    for note in found.notes:
        say(f"note: {note}")
    say(f"{output / 'labels.nii.gz'}: {len(found.volumes)} labels of {len(atlases)} atlases")
    for name in ("volumes.csv", "report.html"):
        say(f"{name.partition('.')[0]}: {output / name}")
