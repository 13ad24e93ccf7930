"""Write the Jacobian determinant of a saved transform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicksilver.commands.common import say

FLOOR = 1e-3
"""Smallest determinant in the logarithm, so that folds have one too."""


def jacobian(
    source: Annotated[
        str,
        typer.Argument(
            metavar="OUT|FIELD", help="Folder that register or fit wrote, or a displacement field."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="NIfTI file to write.")],
    log: Annotated[bool, typer.Option("--log", help="Write its natural logarithm.")] = False,
    inverse: Annotated[bool, typer.Option("--inverse", help="Use the inverse map.")] = False,
) -> None:
    """Write the Jacobian determinant of a transform: above 1 where the moving image is shrunk.

    The determinant is of the map that takes points of the target to the moving image, the affine
    part included, on the target's grid.
    """
    from quicksilver.errors import QuicksilverError
    from quicksilver.io import nifti
    from quicksilver.io.files import require_apart
    from quicksilver.io.transforms import list_files, read_chain

    nifti.require_nifti_name(output)
    require_apart([output], list_files([source]))
    chain = read_chain([source], planar=None)
    chain = chain.invert() if inverse else chain
    if chain.grid is None:
        raise QuicksilverError(
            f"expected a displacement field, found {source}, an affine; its determinant is the "
            "same everywhere"
        )
    field = chain.onto(chain.grid)
    determinant = field.determinant()
    folds = int((determinant <= 0).sum())
    values = determinant.clamp(min=FLOOR).log() if log else determinant
    nifti.save(output, values[0, 0].numpy(), field.grid.affine)
    taken = f", taken for {FLOOR} in the logarithm" if log else ""
    say(f"{output}: {folds} folded voxels{taken}")
