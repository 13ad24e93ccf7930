"""Warp images, label maps, points, surfaces and streamlines by saved transforms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicksilver.errors import QuicksilverError

if TYPE_CHECKING:
    from quicksilver.images.image import Grid
    from quicksilver.transforms.chain import Chain
    from quicksilver.transforms.field import Mode


Majority = Annotated[
    bool,
    typer.Option(
        "--majority", help="Labels by the largest sum of linear weights: smoother outlines."
    ),
]
Inverse = Annotated[bool, typer.Option("--inverse", help="From the target to the moving image.")]
Lps = Annotated[
    bool, typer.Option("--lps", help="The points of a table are LPS mm, as ANTs has them.")
]
Reference = Annotated[
    Path | None, typer.Option(help="Image on whose grid to write; the target's by default.")
]


def apply(
    words: Annotated[
        list[Path],
        typer.Argument(
            metavar="[OUT] INPUT",
            help="Folder that register or fit wrote (or --transform), and the file to warp: "
            "image or series (.nii, .nii.gz), points (.csv, .tsv with x, y, z in RAS mm), surface "
            "(.gii, FreeSurfer), streamlines (.trk, .tck).",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    transform: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of OUT, repeatable: OUT folder, displacement field, ITK composite "
            "(.h5), affine of ITK, FSL or FreeSurfer. In the order of antsApplyTransforms, and "
            "like there '[T,1]' is the inverse."
        ),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Nearest-neighbour interpolation, for label maps.")
    ] = False,
    majority: Majority = False,
    inverse: Inverse = False,
    reference: Reference = None,
    lps: Lps = False,
) -> None:
    """Warp an image, points, a surface or streamlines, resampled at most once.

    Everything goes from the moving image to the target, and with --inverse the other way.
    """
    from quicksilver.io import points

    names, source = _transforms_and_input(words, transform or [])
    if points.holds_points(source):
        if labels or majority or reference is not None:
            raise typer.BadParameter("--labels, --majority and --reference are for images")
        _apply_to_points(names, source, output, inverse, lps)
    else:
        if lps:
            raise typer.BadParameter("--lps is for tables of points; images say where they are")
        mode: Mode = "majority" if majority else "nearest" if labels else "linear"
        _apply_to_image(names, source, output, mode, inverse, reference)


def _transforms_and_input(words: list[Path], transforms: list[str]) -> tuple[list[str], Path]:
    if len(words) != (1 if transforms else 2):
        raise typer.BadParameter("give either OUT and INPUT, or --transform and INPUT")
    return transforms or [str(words[0])], words[-1]


def _apply_to_image(
    names: list[str],
    source: Path,
    output: Path,
    mode: Mode,
    inverse: bool,
    reference: Path | None,
) -> None:
    from quicksilver.io import nifti
    from quicksilver.io.images import read_grid, read_series
    from quicksilver.io.transforms import read_chain

    volumes, grid = read_series(source, labels=mode != "linear")
    target = None if reference is None else read_grid(reference)
    ends = (target, grid) if inverse else (grid, target)
    chain = read_chain(names, *ends)
    chain = chain.invert() if inverse else chain
    field = chain.onto(_output_grid(chain, target))
    warped = field.warp_volumes(volumes, grid, mode)
    if not warped.any():
        space = "target" if inverse else "moving"
        raise QuicksilverError(
            f"expected {source} to lie where the registered images are, found no overlap in world "
            f"coordinates; give an image of the {space} space"
        )
    nifti.save(output, warped if volumes.shape[3] > 1 else warped[..., 0], field.grid.affine)


def _output_grid(chain: Chain, reference: Grid | None) -> Grid:
    grid = reference or chain.grid
    if grid is None:
        raise QuicksilverError(
            f"expected a grid to write on, found the affine {chain.transforms[0].name}, which has "
            "none; give an image of the target space with --reference"
        )
    return grid


def _apply_to_points(
    names: list[str], source: Path, output: Path, inverse: bool, lps: bool
) -> None:
    from quicksilver.io import points
    from quicksilver.io.transforms import read_chain

    if output.suffix != source.suffix:
        raise QuicksilverError(
            f"expected an output ending as {source.name} does, found {output}; rename it"
        )
    found = points.read_points(source, lps)
    chain = read_chain(names)
    # The chain maps points of the target to the moving image: map those of the moving image back.
    moved = chain.map_points(found.points) if inverse else chain.map_points_back(found.points)
    found.save(output, moved, chain.moving_grid if inverse else chain.grid)
