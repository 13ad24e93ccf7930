"""Where two images lie: to each other by an affine, and in the frame that the networks know.

The networks were trained on brains brought to the template ICBM152 2009a, symmetric. A brain as it
was scanned is smaller than that and pitched; on a grid along the template's axes, in its
millimetres, it looks as they expect.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from quicksilver.images.image import Image
from quicksilver.io.images import read_image
from quicksilver.registration.alignment import Alignment, align, assess_alignment, build_levels
from quicksilver.registration.pair import Placement

TEMPLATE = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def load_template() -> Image:
    """Read the brain ICBM152 2009a (symmetric, 1 mm, T1), a file of the package nilearn."""
    package = find_spec("nilearn")  # found without importing it, which would take a second
    assert package is not None
    assert package.origin is not None
    return read_image(Path(package.origin).parent / TEMPLATE)


def place(
    moving: Image,
    target: Image,
    start: np.ndarray | None = None,
    device: torch.device | str = "cpu",
) -> Placement:
    """Align two skull-stripped images, and the target with the template.

    Brains are aligned with each other by way of the template, as those were that the networks
    learned from, which makes better registrations than a direct alignment (docs/register.md).
    Images that are unlike the template, such as parts of a brain, are aligned directly, with the
    working grid along the target's own axes. Images that are aligned already keep their places.

    Args:
        moving: Image that is deformed.
        target: Image that it is brought to.
        start: A matrix (4, 4) to start from; None: what the headers say.
        device: Device that computes.
    """
    ours, theirs = build_levels(moving, device), build_levels(target, device)
    known = build_levels(load_template(), device)
    to_ours, frame = align(ours, known), align(theirs, known)
    if start is None and all(_is_trusted(each) for each in (to_ours, frame)):
        pair = assess_alignment(ours, theirs, to_ours.matrix @ np.linalg.inv(frame.matrix))
    else:
        pair = align(ours, theirs, start)
    return Placement(
        affine=pair.matrix,
        frame=frame.matrix if frame.convincing else np.eye(4),
        affine_similarity=round(pair.similarity, 4),
        already_aligned=pair.unmoved,
        template_similarity=round(frame.similarity, 4),
        notes=tuple(_write_notes(pair, frame)),
    )


def _is_trusted(alignment: Alignment) -> bool:
    """Tell whether an alignment was found without guessing a side: only another subject's tells
    left from right.
    """
    return alignment.convincing and not alignment.turned


def _write_notes(pair: Alignment, frame: Alignment) -> list[str]:
    notes = []
    if pair.unmoved:
        notes.append("both images are in one space already: their places are kept")
    if pair.turned:
        notes.append(
            "by their headers the images are not turned alike, so that the shapes of the brains "
            "decided how they lie: check left and right"
        )
    if not pair.convincing:
        notes.append(
            f"aligned by an affine map the images are still unlike, with a similarity of "
            f"{pair.similarity:.2f} where brains have more than 0.85: check the result"
        )
    if not frame.convincing:
        notes.append(
            f"the target is unlike the template, with a similarity of {frame.similarity:.2f} where "
            "whole brains have more than 0.85: the working grid lies along the target's own axes"
        )
    return notes
