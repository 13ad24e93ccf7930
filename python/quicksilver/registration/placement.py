"""Where two images lie: to each other by an affine, and in the frame that the networks know.

The networks were trained on brains brought to the template ICBM152 2009a, symmetric. A brain as it
was scanned is smaller than that and pitched; on a grid along the template's axes, in its
millimetres, it looks as they expect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import as_file, files

import numpy as np
import torch

from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.registration.affine_prior import Prior
from quicksilver.registration.alignment import (
    Alignment,
    align,
    assess_alignment,
    measure_similarities,
)
from quicksilver.registration.levels import Level, build_levels
from quicksilver.registration.pair import Placement

FOLDER = files("quicksilver.registration") / "template"
TEMPLATE = FOLDER / "icbm152_2009a_sym_t1.nii.gz"

TEMPLATE_TO_SUBJECT = Prior(np.array([-0.11, -0.07, -0.185]))
"""Of affines from the template's points to a subject's, which is smaller: the mean of 203 subjects
of IXI and of FreeSurfer's.
"""

WORSE = 1.05
"""Factor by which the mean of two alignments of parts of brains may leave more of the images'
difference, 1 less the similarity at 2 mm, than the direct one.
"""

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def load_template() -> Image:
    """Read the brain ICBM152 2009a (symmetric, 1 mm, T1), which ships with the package."""
    with as_file(TEMPLATE) as file:
        return read_image(file)


def place(
    moving: Image,
    target: Image,
    start: np.ndarray | None = None,
    device: torch.device | str = "cpu",
    atlas: Image | None = None,
) -> Placement:
    """Align two skull-stripped images, and the target with the template.

    Brains are aligned with each other by way of the template, as those were that the networks
    learned from, which makes better registrations than a direct alignment (docs/register.md).
    Images that are unlike the template are aligned directly, with the working grid along the
    target's own axes. Parts of brains are aligned both ways, and the mean is taken: where nothing
    was imaged their errors differ. Images that are aligned already keep their places.

    Args:
        moving: Image that is deformed.
        target: Image that it is brought to.
        start: A matrix (4, 4) to start from; None: what the headers say.
        device: Device that computes.
        atlas: A skull-stripped image that takes the template's place.
    """
    ours, theirs = build_levels(moving, device), build_levels(target, device)
    known = build_levels(atlas or load_template(), device)
    prior = TEMPLATE_TO_SUBJECT if atlas is None else None
    to_ours, frame = (align(each, known, prior=prior) for each in (ours, theirs))
    trusted = start is None and _is_trusted(to_ours) and _is_trusted(frame)
    by_template = to_ours.matrix @ np.linalg.inv(frame.matrix)
    if trusted and not (to_ours.in_part or frame.in_part):
        pair = assess_alignment(ours, theirs, by_template)
    else:
        pair = align(ours, theirs, start)
        if trusted and not pair.unmoved:
            pair = _average_with(by_template, pair, ours, theirs)
    return Placement(
        affine=pair.matrix,
        frame=frame.matrix if frame.convincing else np.eye(4),
        affine_similarity=round(pair.similarity, 4),
        already_aligned=pair.unmoved,
        template_similarity=round(frame.similarity, 4),
        in_part=pair.in_part or None,
        mirror_gain=(
            _measure_mirror_gain(pair, frame, ours, theirs) if trusted and atlas is None else None
        ),
        notes=tuple(write_notes(pair, frame)),
    )


def place_slices(
    moving: Image,
    target: Image,
    start: np.ndarray | None = None,
    device: torch.device | str = "cpu",
) -> Placement:
    """Align two slices directly: no template is one.

    Args:
        moving: Slice that is deformed.
        target: Slice that it is brought to.
        start: A matrix (4, 4) to start from; None: what the headers say.
        device: Device that computes.
    """
    pair = align(build_levels(moving, device), build_levels(target, device), start)
    return Placement(
        affine=pair.matrix,
        affine_similarity=round(pair.similarity, 4),
        already_aligned=pair.unmoved,
        in_part=pair.in_part or None,
        notes=tuple(_describe_pair(pair)),
    )


def align_with_template(image: Image, device: torch.device | str = "cpu") -> Alignment:
    """Align a skull-stripped image with the template: from the template's points to the image's."""
    known = build_levels(load_template(), device)
    return align(build_levels(image, device), known, prior=TEMPLATE_TO_SUBJECT)


def _is_trusted(alignment: Alignment) -> bool:
    """Tell whether an alignment was found without guessing a side: only another subject's tells
    left from right.
    """
    return alignment.convincing and not alignment.turned


def _average_with(
    by_template: np.ndarray, direct: Alignment, moving: Sequence[Level], target: Sequence[Level]
) -> Alignment:
    """Return the mean of a direct alignment and one by way of the template, where they agree."""
    mean = (direct.matrix + by_template) / 2
    both = np.stack([direct.matrix, mean])
    left = 1 - measure_similarities(both, moving[-1], target[-1])
    return assess_alignment(moving, target, mean) if left[1] < WORSE * left[0] else direct


def _measure_mirror_gain(
    pair: Alignment, frame: Alignment, moving: Sequence[Level], target: Sequence[Level]
) -> float:
    """Measure how much more alike the images are if one is mirrored across the template's midplane.

    The template is symmetric, so that a brain and its mirror image lie alike in it.
    """
    mirrored = pair.matrix @ frame.matrix @ MIRROR @ np.linalg.inv(frame.matrix)
    both = np.stack([pair.matrix, mirrored])
    as_they_are, other = measure_similarities(both, moving[-1], target[-1].subsample(2))
    return round(float(other - as_they_are), 4)


def write_notes(pair: Alignment, frame: Alignment) -> list[str]:
    """Write what a user should know of both alignments, in sentences."""
    return [*_describe_pair(pair), *_describe_frame(frame)]


def _describe_pair(pair: Alignment) -> list[str]:
    notes = []
    if pair.too_small:
        notes.append(
            "the images show too little of a brain to be aligned by it: their headers say where "
            "they lie, or --initial-affine"
        )
    elif pair.unmoved:
        notes.append("both images are in one space already: their places are kept")
    if pair.turned:
        notes.append(
            "by their headers the images are not turned alike, so that the shapes of the brains "
            "decided how they lie: check left and right"
        )
    if not (pair.convincing or pair.too_small):
        notes.append(
            f"aligned by an affine map the images are still unlike, with a similarity of "
            f"{_round_down(pair.similarity):.2f} where brains have more than {pair.least:.2f}: "
            "check the result"
        )
    return notes


def _describe_frame(frame: Alignment) -> list[str]:
    if frame.convincing:
        return []
    return [
        f"the target is unlike the template, with a similarity of "
        f"{_round_down(frame.similarity):.2f} where "
        f"{'parts of' if frame.in_part else 'whole'} brains have more than {frame.least:.2f}: "
        "the working grid lies along the target's own axes"
    ]


def _round_down(similarity: float) -> float:
    """Round to two places, below what was missed: 0.849 is not 0.85."""
    return math.floor(100 * similarity) / 100
