"""Strip the skull of a head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import say


def strip(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="T1-weighted head.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="NIfTI file for the brain; its mask lies beside.")
    ],
) -> None:
    """Strip the skull of a T1-weighted head: write the brain, and its mask as OUTPUT_mask.

    Needs the package deepbet, whose networks find the brain.
    """
    from quicksilver import api
    from quicksilver.commands import console
    from quicksilver.images.masks import looks_unstripped
    from quicksilver.io import nifti
    from quicksilver.io.files import require_apart, require_place
    from quicksilver.io.images import read_image

    suffix = ".nii.gz" if nifti.require_nifti_name(output).suffix == ".gz" else ".nii"
    mask = output.with_name(output.name.removesuffix(suffix) + "_mask" + suffix)
    require_apart([output, mask], [image])
    for path in (output, mask):  # both or none
        require_place(path)
    head = read_image(image)
    with console.progress() as progress:
        progress("strip")
        found = api.strip(head)
    for path, part in ((mask, found.mask), (output, found.brain)):
        nifti.save(path, part.data, part.affine, source=head.header)
    if not looks_unstripped(head):
        say("note: the image has no more non-zero voxels than a brain: its skull may be gone")
    if found.doubt is not None:
        say(f"note: {found.doubt}")
    say(f"{output}: {found.volume_ml:.0f} ml inside of {mask}")
