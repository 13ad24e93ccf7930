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
from quicksilver.registration.alignment import Alignment, align, levels, settled
from quicksilver.registration.pair import Placement

TEMPLATE = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def template() -> Image:
    """The brain ICBM152 2009a (symmetric, 1 mm, T1), a file of the package nilearn."""
    package = find_spec("nilearn")  # nothing of it is imported, which would take a second
    assert package is not None and package.origin is not None
    return read_image(Path(package.origin).parent / TEMPLATE)


def place(
    moving: Image,
    target: Image,
    start: np.ndarray | None = None,
    device: torch.device | str = "cpu",
) -> Placement:
    """Align two skull-stripped images, and the target with the template.

    start: a matrix to begin with. Brains are aligned with each other by way of the template, as
    those were that the networks learned from: of the pairs that were measured, every one was
    registered better so than from a direct alignment, by 0.003 of the overlap. Images that are
    unlike the template, such as parts of a brain, are aligned directly, with the working grid along
    the target's own axes. Images that are aligned already keep their places.
    """
    ours, theirs = levels(moving, device), levels(target, device)
    known = levels(template(), device)
    to_ours, frame = align(ours, known), align(theirs, known)
    if start is None and all(_usual(each) for each in (to_ours, frame)):
        pair = settled(ours, theirs, to_ours.matrix @ np.linalg.inv(frame.matrix))
    else:
        pair = align(ours, theirs, start)
    return Placement(
        affine=pair.matrix,
        frame=frame.matrix if frame.convincing else np.eye(4),
        affine_similarity=round(pair.similarity, 4),
        already_aligned=pair.unmoved,
        template_similarity=round(frame.similarity, 4),
        notes=tuple(_notes(pair, frame)),
    )


def _usual(alignment: Alignment) -> bool:
    """Of two directions of a turned brain, only another person's tells left from right a little."""
    return alignment.convincing and not alignment.turned


def _notes(pair: Alignment, frame: Alignment) -> list[str]:
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
