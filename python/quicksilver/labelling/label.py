"""Label an image by atlases: register each to the image, warp its labels, fuse them.

The registrations lie in OUT/atlases/NAME as a cohort's pairs do and are found again by the next
run. What is fused is always read from there, so that an interrupted run ends with the same bits.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quicksilver.api import run_register
from quicksilver.cohort.pairs import PairPaths
from quicksilver.cohort.run import (
    Outcome,
    choose_jobs,
    is_done,
    make_key,
    require_places,
    run_cohort,
)
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image, find_box
from quicksilver.images.masks import apply_mask, looks_unstripped
from quicksilver.io.images import read_image
from quicksilver.io.results import load_registration
from quicksilver.labelling.atlases import Atlas
from quicksilver.labelling.fusion import Fusion, fuse_by_majority, fuse_jointly
from quicksilver.labelling.options import LabelOptions
from quicksilver.labelling.report import write_report
from quicksilver.labelling.result import FILES, Labelling, measure_volumes, save_labelling
from quicksilver.networks.model import Model
from quicksilver.registration.options import Options
from quicksilver.registration.predict import open_checked
from quicksilver.registration.stripping import Stripped, strip_skull
from quicksilver.registration.verdict import Verdict
from quicksilver.results.folder import FILES as REGISTERED
from quicksilver.runtime.devices import pick_device, require_memory
from quicksilver.runtime.stages import Progress, Stages

ATLASES = "atlases"
"""Folder, in that of the results, with the registration of each atlas."""

MARGIN = 12.0
"""Millimetres around the brain in which labels are looked for; the rest of a head has none."""


def label_image(
    image: Path,
    atlases: Sequence[Atlas],
    folder: Path,
    options: LabelOptions,
    *,
    names: Mapping[int, str] | None = None,
    jobs: int | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Labelling | None:
    """Label an image by atlases, and write the files and the atlases' registrations.

    Started by `torchrun`, every process registers its share of the atlases; the one that finds all
    of them done fuses them.

    Args:
        image: File of a T1-weighted brain, or of a head with `strip`.
        atlases: The atlases (`quicksilver.labelling.atlases.find_atlases`).
        folder: Folder for the files.
        options: How.
        names: Names of labels.
        jobs: Atlases at once; None: as many as cores and memory allow.
        about: Further entries for result.json.
        progress: Called with the name of each stage as it starts, and with details.

    Returns:
        The labels; None: other processes have not registered all of their atlases yet.

    Raises:
        QuicksilverError: The image or an atlas cannot be read or registered, or memory is not
            enough.
    """
    device = pick_device(options.device)
    asked = Options(options.model, device=device, strip=options.strip, refine=options.refine)
    model = open_checked(asked)
    stages = Stages(progress)
    with stages("read"):
        brain, stripped = _read_brain(image, options)
    box = find_box(brain, MARGIN)
    around = brain.crop(box)
    _require_room(around, len(atlases))
    given = options.mask if stripped is None else stripped.mask
    asked = replace(asked, model=model, target_mask=given, reference=around)
    with stages("register") as tell:
        run = partial(run_cohort, jobs=jobs or choose_jobs(device), tell=tell)
        if not _register_atlases(image, atlases, folder / ATLASES, asked, run):
            return None
    with stages("fuse"):
        fused, verdicts = _fuse_atlases(around, atlases, folder / ATLASES, options.fusion)
        labels = Image(np.zeros(brain.data.shape, fused.dtype), brain.affine)
        labels.data[box] = fused
        volumes = measure_volumes(labels, names or {})
    found = Labelling(labels, volumes, verdicts, stripped, stages.seconds)
    page = partial(write_report, found, brain, title=f"{image.name}, labelled")
    save_labelling(found, folder, {**_describe(image, atlases, options), **(about or {})}, page)
    return found


def list_outputs(atlases: Sequence[Atlas], folder: Path) -> list[Path]:
    """List the files that a labelling may write."""
    own = [folder / ATLASES / atlas.name / file for atlas in atlases for file in REGISTERED]
    return [*(folder / file for file in FILES), *own]


def _read_brain(image: Path, options: LabelOptions) -> tuple[Image, Stripped | None]:
    """Read the image, 0 outside of the brain, and what was stripped of its skull."""
    whole = read_image(image)
    if options.mask is not None:
        return apply_mask(whole, read_image(options.mask)), None
    if options.strip and looks_unstripped(whole):
        stripped = strip_skull(whole)
        return stripped.brain, stripped
    return whole, None


def _require_room(image: Image, count: int) -> None:
    """Check that memory is enough to fuse the labels of `count` atlases on an image's grid."""
    each = 40 + 24 * count + 2 * count**2  # bytes: images, labels, and M where labels differ
    advice = f"the image has {image.data.size / 1e6:.0f} million voxels: crop it, or fewer atlases"
    require_memory(float(each * image.data.size), torch.device("cpu"), advice)


def _register_atlases(
    image: Path,
    atlases: Sequence[Atlas],
    folder: Path,
    options: Options,
    run: Callable[..., list[Outcome]],
) -> bool:
    """Register what is not registered yet; return whether all atlases are."""
    assert isinstance(options.model, Model)
    assert isinstance(options.reference, Image)
    given = options.target_mask
    mask = Path(given) if isinstance(given, str | os.PathLike) else None
    pairs = [PairPaths(atlas.name, atlas.image, image, target_mask=mask) for atlas in atlases]
    require_places(pairs, folder)
    settings = {
        "model": options.model.digest(),
        "device": torch.device(options.device).type,
        "strip": options.strip,
        "refine": options.refine,
        "brain": _digest(options.reference),  # as deepbet's next release may find another
    }
    failed = [one for one in run(pairs, folder, partial(_register, options), settings) if one.error]
    if failed:
        raise QuicksilverError(
            f"expected every atlas to be registered, found that {failed[0].id} was not "
            f"('{failed[0].error}'); mend it, or leave it out"
        )
    return all(is_done(folder / pair.id, make_key(pair, settings)) for pair in pairs)


def _digest(image: Image) -> str:
    """Return what is the same of equal images alone."""
    return hashlib.sha256(image.data.tobytes() + image.affine.tobytes()).hexdigest()


def _register(options: Options, pair: PairPaths, place: Path, entries: dict[str, Any]) -> None:
    """Register an atlas to the image, and save all of it."""
    images = {"moving": str(pair.moving), "target": str(pair.target)}
    about = {"command": "label", **images, **entries}
    run_register(pair.moving, pair.target, options).save(place, about=about)


def _fuse_atlases(
    image: Image, atlases: Sequence[Atlas], folder: Path, fusion: Fusion
) -> tuple[np.ndarray, dict[str, Verdict]]:
    """Fuse the labels of the atlases whose registrations have not failed, on an image's grid."""
    verdicts: dict[str, Verdict] = {}
    candidates, seen = [], []
    for atlas in atlases:
        verdicts[atlas.name] = Verdict.load(folder / atlas.name)
        result = load_registration(folder / atlas.name)
        if verdicts[atlas.name].level != "failed":
            labels = read_image(atlas.labels, labels=True)
            warped = result.displacement.warp(labels, "majority").data
            candidates.append(torch.from_numpy(warped.astype(np.int64)))
            seen.append(torch.from_numpy(result.warped.data))
    if not candidates:
        reasons = next(iter(verdicts.values())).reasons
        raise QuicksilverError(
            "expected an atlas that can be brought to the image, found that all registrations "
            f"failed ({'; '.join(reasons)}); look at their reports in {folder}"
        )
    stack = torch.stack(candidates)
    if fusion == "majority":
        fused = fuse_by_majority(stack)
    else:
        spacing = image.grid.voxel_volume ** (1 / 3)
        fused = fuse_jointly(stack, seen, torch.from_numpy(image.data), spacing)
    return _shrink(fused.numpy()), verdicts


def _shrink(labels: np.ndarray) -> np.ndarray:
    """Return integers in the smallest type that holds them."""
    low, high = (np.min_scalar_type(int(value)) for value in (labels.min(), labels.max()))
    return labels.astype(np.promote_types(low, high))


def _describe(image: Path, atlases: Sequence[Atlas], options: LabelOptions) -> dict[str, Any]:
    """Return the entries of result.json on what was asked."""
    files = {
        atlas.name: {"image": str(atlas.image), "labels": str(atlas.labels)} for atlas in atlases
    }
    mask = {} if options.mask is None else {"mask": str(options.mask)}
    return {
        "command": "label",
        "image": str(image),
        **mask,
        "atlases": files,
        "settings": {"fusion": options.fusion, "strip": options.strip, "refine": options.refine},
    }
