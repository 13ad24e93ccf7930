"""Brain extraction: find the brain in a T1-weighted head, by the networks of the package deepbet.

deepbet (Fisch et al. 2024) is an optional dependency that brings its weights along; they are read
from the installed package alone. It computes on the CPU, and the mask has the same bits on any
number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
import torch

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Image
from quicksilver.images.masks import apply_mask, looks_unstripped
from quicksilver.runtime.devices import require_memory

NEEDED = 1e9
"""Bytes that the networks take, on grids of their own, and whatever size the head has."""

ADULT = 800.0, 2200.0
"""Millilitres between which an adult's brain and its fluid lie."""


@dataclass(frozen=True)
class Stripped:
    """A head whose skull was stripped.

    Args:
        brain: The head, 0 outside the mask.
        mask: 1 in the brain and 0 elsewhere, uint8, on the head's grid.
    """

    brain: Image
    mask: Image

    @property
    def volume_ml(self) -> float:
        """Volume of the mask in millilitres."""
        return float(np.count_nonzero(self.mask.data) * self.mask.grid.voxel_volume / 1000)

    @property
    def doubt(self) -> str | None:
        """What is doubtful about the mask, in a sentence; None: nothing."""
        if ADULT[0] <= self.volume_ml <= ADULT[1]:
            return None
        return (
            f"the mask has {self.volume_ml:.0f} ml, where an adult's brain has {ADULT[0]:.0f} to "
            f"{ADULT[1]:.0f}: look at it"
        )


def require_deepbet() -> Any:
    """Return deepbet's class of networks.

    Raises:
        QuicksilverError: The package is not installed.
    """
    try:
        from deepbet import BrainExtraction
    except ImportError as error:
        raise QuicksilverError(
            f"expected the package deepbet, which strips skulls, found '{error}'; install it: "
            "pip install deepbet"
        ) from error
    return BrainExtraction


def strip_skull(head: Image) -> Stripped:
    """Find the brain in a T1-weighted head, and set all else to 0.

    Raises:
        QuicksilverError: deepbet is not installed, memory is not enough, or no brain is found.
    """
    extraction = require_deepbet()
    require_memory(
        NEEDED, torch.device("cpu"), "close other programs, or strip the skull elsewhere"
    )
    try:
        _, found, _ = extraction(no_gpu=True).run(nib.Nifti1Image(head.data, head.affine))
    except (AssertionError, ValueError) as error:  # as deepbet ends where nothing is like a brain
        raise _refuse("none") from error
    mask = Image(np.asarray(found.dataobj).astype(np.uint8), head.affine)
    stripped = Stripped(apply_mask(head, mask), mask)
    if looks_unstripped(stripped.brain):
        raise _refuse(f"one of {stripped.volume_ml:.0f} ml")
    return stripped


def _refuse(found: str) -> QuicksilverError:
    return QuicksilverError(
        f"expected a T1-weighted head in which deepbet finds a brain, found {found}; strip the "
        "skull with another program, or give a mask"
    )
