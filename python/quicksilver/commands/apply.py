"""Warp images, label maps, points, surfaces and streamlines by saved transforms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicksilver.commands.common import say
from quicksilver.errors import QuicksilverError

if TYPE_CHECKING:
    import numpy as np

    from quicksilver.images.image import Grid
    from quicksilver.transforms.chain import Chain
    from quicksilver.transforms.field import Mode

MAPS = 60
"""Bytes per voxel of the output grid for maps while they are composed."""

NAMED = 10
"""Labels that a note names at most."""

Majority = Annotated[
    bool,
    typer.Option(
        "--majority", help="Labels by the largest sum of linear weights: smoother outlines."
    ),
]
Inverse = Annotated[bool, typer.Option("--inverse", help="From the target to the moving image.")]
Lps = Annotated[
    bool, typer.Option("--lps", help="Points of a table or .vtk are LPS mm, as ANTs has them.")
]
Fill = Annotated[
    float,
    typer.Option(help="Value outside of what was imaged: beyond the image, and where it is NaN."),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        help="Image on whose grid to write; the target's by default. Of points: see --points-image."
    ),
]
PointsImage = Annotated[
    Path | None,
    typer.Option(
        help="The image in which points lie, for matrices and warps of FSL and tkregister; "
        "--reference is then the image to which they go."
    ),
]

MapOnly = Annotated[
    str | None,
    typer.Option(
        "--out-format",
        metavar="[itk|itk-h5|fsl|afni|spm|voxelmorph]",
        help="Write the map itself for this program; INPUT, the moving image, may be left out.",
    ),
]

Words = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[OUT] INPUT",
        help="Folder that register or fit wrote (or --transform), and the file to warp: "
        "image or series (.nii, .mgz, .nrrd, .png, folder of DICOM ...), points (.csv, .tsv with "
        "x, y, z in RAS mm; .fcsv), surface (.gii, .vtk, FreeSurfer), streamlines (.trk, .tck).",
    ),
]
Transforms = Annotated[
    list[str] | None,
    typer.Option(
        help="In place of OUT, repeatable: OUT folder, displacement field, ITK composite "
        "(.h5), affine of ITK, FSL or FreeSurfer, warp (fsl-rel:FILE, fsl-abs:FILE, "
        "voxelmorph:FILE). In the order of antsApplyTransforms, and like there '[T,1]' is the "
        "inverse."
    ),
]


def apply(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    words: Words = None,
    transform: Transforms = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Nearest-neighbour interpolation, for label maps.")
    ] = False,
    majority: Majority = False,
    inverse: Inverse = False,
    reference: Reference = None,
    points_image: PointsImage = None,
    lps: Lps = False,
    fill: Fill = 0.0,
    out_format: MapOnly = None,
) -> None:
    """Warp an image, points, a surface or streamlines, resampled at most once.

    Everything goes from the moving image to the target, and with --inverse the other way. With
    --out-format no file is warped: the whole map is written for another program.
    """
    _refuse(not math.isfinite(fill), f"--fill must be a finite number, found {fill}")
    if out_format is not None:
        given = labels or majority or lps or fill or points_image
        _refuse(given, "--out-format writes the map: give no option of a file")
        _write_map(words or [], transform or [], output, out_format, inverse, reference)
        return
    from quicksilver.io import points
    from quicksilver.io.dicom import holds_series
    from quicksilver.io.files import require_apart
    from quicksilver.io.transforms import list_files

    names, source = _transforms_and_input(words or [], transform or [])
    images = [path for path in (reference, points_image) if path is not None]
    require_apart([output], [source, *images, *list_files(names)])
    if not holds_series(source) and points.holds_points(source):
        _refuse(labels or majority or fill, "--labels, --majority and --fill are for images")
        _refuse(len(images) == 1, "give points both --points-image and --reference, or neither")
        _apply_to_points(names, source, output, inverse, lps, (points_image, reference))
    else:
        _refuse(lps or points_image, "--lps and --points-image are for points, not for images")
        mode: Mode = "majority" if majority else "nearest" if labels else "linear"
        no_intensities = fill and mode != "linear"
        _refuse(no_intensities, "--fill is for intensities; outside of labels there are none")
        _apply_to_image(names, source, output, mode, inverse, reference, fill)


def _refuse(given: object, sentence: str) -> None:
    """Refuse options that were given, or given together, with a sentence."""
    if given:
        raise typer.BadParameter(sentence)


def _write_map(
    words: list[Path],
    transforms: list[str],
    output: Path,
    out_format: str,
    inverse: bool,
    reference: Path | None,
) -> None:
    """Write a chain of transforms as one map; INPUT, the moving image, may be left out."""
    from quicksilver.io.exports import as_format, write_map
    from quicksilver.io.files import require_apart
    from quicksilver.io.images import read_grid
    from quicksilver.io.transforms import list_files, read_chain

    kind = as_format(out_format)
    names = transforms or [str(word) for word in words[:1]]
    images = words if transforms else words[1:]
    if not names or len(images) > 1:
        raise typer.BadParameter("give OUT or --transform, and at most one INPUT, the moving image")
    read = [*images, *([] if reference is None else [reference])]
    require_apart([output], [*read, *list_files(names)])
    moving = read_grid(images[0], planar=True) if images else None
    target = None if reference is None else read_grid(reference, planar=True)
    given = next((grid for grid in (moving, target) if grid is not None), None)
    planar = None if given is None else given.planar
    ends = (target, moving) if inverse else (moving, target)
    chain = read_chain(names, ends[0], ends[1], planar)
    chain = chain.invert() if inverse else chain
    grid = _output_grid(chain, target)
    _require_room(grid, 3)
    write_map(output, chain.onto(grid), kind, moving or chain.moving_grid)
    say(f"{output}: a map for {kind.value}")


def _transforms_and_input(words: list[Path], transforms: list[str]) -> tuple[list[str], Path]:
    from quicksilver.io.dicom import holds_series
    from quicksilver.io.files import is_folder

    if len(words) != (1 if transforms else 2):
        raise typer.BadParameter("give either OUT and INPUT, or --transform and INPUT")
    swapped = is_folder(words[-1]) and not is_folder(words[0]) and not holds_series(words[-1])
    if len(words) == 2 and swapped:
        raise QuicksilverError(
            f"expected the folder of a registration before the file to warp, found {words[0]} "
            f"before {words[-1]}; swap them"
        )
    return transforms or [str(words[0])], words[-1]


def _apply_to_image(
    names: list[str],
    source: Path,
    output: Path,
    mode: Mode,
    inverse: bool,
    reference: Path | None,
    fill: float,
) -> None:
    from quicksilver.io.images import find_doubt, read_with_header, require_output, save
    from quicksilver.io.transforms import read_chain

    require_output(output)
    doubt = find_doubt(source)
    series = read_with_header(
        source, labels=mode != "linear", outside=fill, empty=True, planar=True
    )
    target = None if reference is None else _read_reference(reference, series.grid)
    moving, fixed = (target, series.grid) if inverse else (series.grid, target)
    chain = read_chain(names, moving, fixed, series.grid.planar)
    chain = chain.invert() if inverse else chain
    grid = _output_grid(chain, target)
    _require_room(grid, series.volumes.shape[3])
    field = chain.onto(grid)
    warped = field.warp_volumes(series.volumes, series.grid, mode, fill)
    lost = _find_lost(series.volumes, warped, mode, fill)
    if lost is not None and not (warped != fill).any() and not field.reaches(series.grid):
        space = "target" if inverse else "moving"
        raise QuicksilverError(
            f"expected {source} to lie where the registered images are, found no overlap in world "
            f"coordinates; give an image of the {space} space"
        )
    whole = warped if warped.shape[3] > 1 else warped[..., 0]
    save(output, whole, field.grid, series)
    for note in (None if doubt is None else f"of {source}, {doubt}", lost):
        if note is not None:
            say(f"note: {note}")
    shape = whole.shape[:2] if grid.planar and whole.ndim == 3 else whole.shape
    say(f"{output}: {' x '.join(map(str, shape))} voxels, {whole.dtype}")


def _read_reference(reference: Path, of_input: Grid) -> Grid:
    """Read the grid to write on, of as many dimensions as that of the image to warp."""
    from quicksilver.images.plane import require_alike
    from quicksilver.io.images import read_grid

    grid = read_grid(reference, planar=True)
    require_alike(of_input, grid, ("INPUT", f"{reference}"))
    return grid


def _require_room(grid: Grid, volumes: int) -> None:
    """Check that memory is enough for maps and volumes on a grid."""
    import torch

    from quicksilver.runtime.devices import require_memory

    voxels = math.prod(grid.shape)
    advice = f"{voxels / 1e6:.0f} million voxels are too many: give a coarser --reference"
    require_memory(float(voxels * (MAPS + 8 * volumes)), torch.device("cpu"), advice)


def _find_lost(before: np.ndarray, after: np.ndarray, mode: Mode, fill: float) -> str | None:
    """Say what an image has lost by being resampled; None: nothing that was there is gone."""
    import numpy as np

    if mode == "linear":
        return None if (after != fill).any() else "the result has no voxel but those outside"
    lost = np.setdiff1d(before, after)
    named = ", ".join(map(str, lost[lost != 0][:NAMED]))
    if not after.any():
        return "no label is left" if named else "there is no label in the image"
    more = " ..." if np.count_nonzero(lost) > NAMED else ""
    return f"no voxel is left of the labels {named}{more}" if named else None


def _output_grid(chain: Chain, reference: Grid | None) -> Grid:
    grid = reference or chain.grid
    if grid is None:
        raise QuicksilverError(
            f"expected a grid to write on, found the affine {chain.transforms[0].name}, which has "
            "none; give an image of the target space with --reference"
        )
    return grid


def _apply_to_points(
    names: list[str],
    source: Path,
    output: Path,
    inverse: bool,
    lps: bool,
    images: tuple[Path | None, Path | None],
) -> None:
    """Move points; the images are the one in which they lie and the one to which they go, both or
    neither.
    """
    from quicksilver.io import points
    from quicksilver.io.images import read_grid
    from quicksilver.io.transforms import read_chain

    if output.suffix != source.suffix:
        raise QuicksilverError(
            f"expected an output ending as {source.name} does, found {output}; rename it"
        )
    found = points.read_points(source, lps)
    here, there = (
        None if image is None else read_grid(image, planar=found.planar) for image in images
    )
    moving, fixed = (there, here) if inverse else (here, there)
    chain = read_chain(names, moving, fixed, found.planar)
    # The chain maps points of the target to the moving image: map those of the moving image back.
    moved = chain.map_points(found.points) if inverse else chain.map_points_back(found.points)
    found.save(output, moved, there or (chain.moving_grid if inverse else chain.grid))
    say(f"{output}: {len(moved)} points")
