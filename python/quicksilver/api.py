"""Registration in one call, as the command line does it: raw images in, maps out.

>>> import quicksilver
>>> found = quicksilver.register("moving.nii.gz", "target.nii.gz")  # doctest: +SKIP
>>> found.apply("labels.nii.gz", labels=True)  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeVar

import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.background import invert_bright_background
from quicksilver.images.image import Image, measure_longest_side
from quicksilver.images.masks import apply_mask, looks_unstripped
from quicksilver.images.plane import is_flat, require_alike
from quicksilver.io.affines import as_affine, read_affine
from quicksilver.io.images import (
    ImageLike,
    as_grid,
    as_image,
    count_voxels,
    find_doubt,
    is_slice,
)
from quicksilver.registration import optimise, predict
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.keywords import expand_options
from quicksilver.registration.options import Options, PairOptions
from quicksilver.registration.pair import WRITING, Placement
from quicksilver.registration.placement import place, place_slices
from quicksilver.registration.result import Registration
from quicksilver.registration.stripping import Stripped, require_deepbet, strip_skull
from quicksilver.results.folder import save_registration
from quicksilver.runtime.devices import pick_device, require_memory
from quicksilver.runtime.stages import Stages

LARGEST = 1000.0
"""Millimetres that no head is long."""

NOTHING_STRIPPED = (
    "no skull was stripped: each image has a mask, or no more non-zero voxels than a brain"
)

SomeOptions = TypeVar("SomeOptions", bound=PairOptions)
Compute = Callable[[Image, Image, SomeOptions, Placement, Stages], Registration]


def run_register(moving: ImageLike, target: ImageLike, options: Options) -> Registration:
    """Register two skull-stripped images by prediction, wherever they lie; slices by optimisation.

    Args:
        moving: Image that is deformed: a file, a nibabel image, a pair of an array or tensor
            (X, Y, Z) and its affine (4, 4) to RAS millimetres, or an `Image`.
        target: Image that it is brought to.

    Returns:
        The maps between both images, and what was measured of them.

    Raises:
        QuicksilverError: An image cannot be read or registered.

    Example:
        >>> found = register("moving.nii.gz", "target.nii.gz", refine=10)  # doctest: +SKIP
    """
    # Before images are read: what the model or the device cannot do, no image changes.
    device = pick_device(options.device)
    model = predict.open_checked(options)
    options = replace(options, device=device)
    if is_slice(moving):
        return run_fit(moving, target, _as_fit(options))
    return _bring_together(predict.register, moving, target, replace(options, model=model))


def run_fit(moving: ImageLike, target: ImageLike, options: FitOptions) -> Registration:
    """Register two skull-stripped images by optimisation (LDDMM), wherever they lie.

    Args:
        moving: Image that is deformed, of any kind that `quicksilver.register` takes.
        target: Image that it is brought to.

    Returns:
        The maps between both images, and what was measured of them.

    Raises:
        QuicksilverError: An image cannot be read or registered.

    Example:
        >>> found = fit("moving.nii.gz", "target.nii.gz", loss="ssd")  # doctest: +SKIP
    """
    if options.strip:
        require_deepbet()
    return _bring_together(optimise.optimise, moving, target, options)


def strip(image: ImageLike) -> Stripped:
    """Strip the skull of a T1-weighted head (needs the package deepbet).

    Args:
        image: The head, of any kind that `quicksilver.register` takes.

    Returns:
        The brain and its mask, on the head's grid.

    Raises:
        QuicksilverError: The image cannot be read, no brain is found, or deepbet is not installed.

    Example:
        >>> strip("head.nii.gz").mask  # doctest: +SKIP
    """
    require_deepbet()
    return strip_skull(as_image(image))


register = expand_options("register", run_register, Options)
fit = expand_options("fit", run_fit, FitOptions)


def _bring_together(
    compute: Compute[SomeOptions], moving: ImageLike, target: ImageLike, options: SomeOptions
) -> Registration:
    """Read, mask and align both images, and compute their registration."""
    device = pick_device(options.device)
    stages = Stages(options.progress, device)
    with stages("read"):
        _require_room(moving, target, options.reference)
        first = _read(moving, options.moving_mask)
        second = _read(target, options.target_mask)
        require_alike(first.grid, second.grid, ("the moving image", "the target"))
        reference = None if options.reference is None else as_grid(options.reference, planar=True)
        if reference is not None:
            require_alike(second.grid, reference, ("the target", "the reference"))
    heads, notes = {}, _list_doubts(moving, target)
    if second.grid.planar:
        _refuse_for_slices(options)
        first, second = invert_bright_background(first), invert_bright_background(second)
        notes += _describe_slices(first, second)
    if options.strip:
        with stages("strip"):
            heads = _strip(first, second, options)
        notes += _list_mask_doubts(heads)
        first, second = (
            heads[name].brain if name in heads else image
            for name, image in (("moving", first), ("target", second))
        )
    with stages("align"):
        placement = _place(first, second, options, device)
    placement = replace(placement, notes=(*notes, *placement.notes))
    found = compute(first, second, options, placement, stages)
    return replace(found, reference=reference, stripped=heads, writer=save_registration)


def _require_room(*images: ImageLike | None) -> None:
    """Check before voxels are read that memory is enough to write maps on the images' grids."""
    voxels = sum(count_voxels(image) for image in images if image is not None)
    advice = f"the images have {voxels / 1e6:.0f} million voxels: crop or downsample them"
    require_memory(WRITING * voxels, torch.device("cpu"), advice)


def _list_doubts(moving: ImageLike, target: ImageLike) -> list[str]:
    """List what is doubtful about where the images lie by their headers."""
    found = {"the moving image": find_doubt(moving), "the target": find_doubt(target)}
    return [f"of {name}, {doubt}" for name, doubt in found.items() if doubt is not None]


def _read(image: ImageLike, mask: ImageLike | None) -> Image:
    found = as_image(image, planar=True)
    if mask is None:
        return found
    inside = as_image(mask, planar=True)
    require_alike(found.grid, inside.grid, ("an image", "its mask"))
    return apply_mask(found, inside)


def _as_fit(options: Options) -> FitOptions:
    """Return the options of a fit that do for slices what those of a registration ask for.

    Raises:
        QuicksilverError: They ask for what only networks do.
    """
    shared = {each.name: getattr(options, each.name) for each in fields(PairOptions)}
    for each in fields(Options):
        given = getattr(options, each.name)
        if each.name not in (*shared, "steps") and given != each.default:
            option = ("no-" if given is False else "") + each.name.replace("_", "-")
            raise QuicksilverError(
                f"expected volumes for --{option}, which is for networks, found slices, for which "
                "there are none; leave it out"
            )
    found = FitOptions(**shared)
    return found if options.steps is None else replace(found, steps=options.steps)


def _refuse_for_slices(options: PairOptions) -> None:
    """Refuse what is for brains in 3-D alone."""
    for name, given in (("--strip", options.strip), ("--atlas", options.atlas is not None)):
        if given:
            raise QuicksilverError(
                f"expected volumes for {name}, found slices; leave it out, or give volumes"
            )


def _describe_slices(moving: Image, target: Image) -> list[str]:
    """Say how slices are registered, and which of them are inverted."""
    notes = [
        "there is no network for slices: they are registered by LDDMM, as quicksilver fit does"
    ]
    for name, image in (("moving image", moving), ("target", target)):
        if image.white:
            notes.append(f"the background of the {name} is bright: it is matched inverted")
    return notes


def _strip(moving: Image, target: Image, options: PairOptions) -> dict[str, Stripped]:
    """Strip the heads among two images that have no mask."""
    given = {"moving": (moving, options.moving_mask), "target": (target, options.target_mask)}
    return {
        name: strip_skull(image)
        for name, (image, mask) in given.items()
        if mask is None and looks_unstripped(image)
    }


def _list_mask_doubts(heads: dict[str, Stripped]) -> list[str]:
    """List what is doubtful about the heads that were stripped."""
    if not heads:
        return [NOTHING_STRIPPED]
    found = {name: head.doubt for name, head in heads.items()}
    return [f"of the {name} head, {doubt}" for name, doubt in found.items() if doubt is not None]


def _place(moving: Image, target: Image, options: PairOptions, device: torch.device) -> Placement:
    """Align both images as the options say, with a note on each that is no bare brain."""
    start = options.initial_affine
    if isinstance(start, str | os.PathLike):
        start = read_affine(start, moving.grid, target.grid, target.grid.planar)
    elif start is not None:
        start = as_affine(start)
    if target.grid.planar and start is not None and not is_flat(start):
        raise QuicksilverError(
            "expected an affine of slices, which stays in their plane, found one of volumes; give "
            "one of 2-D"
        )
    if options.affine and target.grid.planar:
        found = place_slices(moving, target, start, device)
    elif options.affine:
        atlas = None if options.atlas is None else as_image(options.atlas)
        found = place(moving, target, start, device, atlas)
    else:
        found = Placement() if start is None else Placement(start)
    heads = tuple(
        note
        for name, image in (("moving image", moving), ("target", target))
        if (note := _describe_size(name, image)) is not None
    )
    return replace(found, notes=heads + found.notes)


def _describe_size(name: str, image: Image) -> str | None:
    """Say what an image is that is larger than a brain; None: it is not, or a slice."""
    if image.grid.planar or not looks_unstripped(image):
        return None
    side = measure_longest_side(image)
    if side > LARGEST:
        return (
            f"the {name} is {side:.4g} mm long, which is no head: its header may be in other units "
            "than millimetres"
        )
    return (
        f"the {name} has more non-zero voxels than a brain: if it is a whole head, strip the skull "
        "(--strip, or strip=True)"
    )
