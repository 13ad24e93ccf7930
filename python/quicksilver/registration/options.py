"""The options of a registration, and those that a fit has too, for Python and the command line.

A field here or in `quicksilver.registration.fit_options` is a keyword of `quicksilver.register` or
`quicksilver.fit` and, with `shown`, an option of the command. Nothing heavy is imported: the
command line reads this module to print its help.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicksilver.errors import QuicksilverError
from quicksilver.registration.option_fields import (
    DEVICE,
    MANY,
    MODEL,
    PATCH,
    REFINE,
    SEED,
    STEPS,
    check_ranges,
    shown,
)

if TYPE_CHECKING:
    import numpy as np
    import torch

    from quicksilver.io.images import ImageLike
    from quicksilver.networks.model import Model
    from quicksilver.runtime.stages import Progress


@dataclass(frozen=True)
class PairOptions:
    """How two images are read and brought together, whatever registers them.

    Args:
        device: Device that computes: "auto", "cpu", "cuda" or "cuda:N".
        affine: Whether to align the images, and the target with the template, first.
        initial_affine: A matrix (4, 4) from the target's points to the moving image's in RAS
            millimetres, or a file of one, to begin with; with `affine` false it is kept as it is.
        atlas: A skull-stripped image with which images are aligned in place of the template ICBM152
            2009a, for models trained in the space of another.
        moving_mask: An image that is zero where the moving image is background.
        target_mask: An image that is zero where the target is background.
        strip: Whether the skull is stripped first (`quicksilver.strip`) from each image that has no
            mask and is no bare brain.
        equalise: Whether the histograms of both images are equalised for the network or the fit,
            whatever the model says of intensities (`quicksilver.images.intensity`).
        histogram_matching: Whether the moving image gets the target's distribution of intensities.
        reference: An image on whose grid results lie instead of the target's.
        progress: Called with the name of each stage as it starts, and with details.
    """

    _: KW_ONLY
    device: str | torch.device = field(default="auto", metadata=DEVICE)
    affine: bool = field(
        default=True,
        metadata=shown(
            "Align the images first, or use them where they lie.", flags="--affine/--no-affine"
        ),
    )
    initial_affine: np.ndarray | str | os.PathLike[str] | None = field(
        default=None,
        metadata=shown(
            "Affine to start from (ITK, FSL or FreeSurfer); with --no-affine it is kept as it is.",
            Path | None,
        ),
    )
    atlas: ImageLike | None = field(
        default=None,
        metadata=shown(
            "Skull-stripped image to align with in place of ICBM152, for models trained so.",
            Path | None,
        ),
    )
    moving_mask: ImageLike | None = field(
        default=None,
        metadata=shown("Image that is zero where the moving image is background.", Path | None),
    )
    target_mask: ImageLike | None = field(
        default=None,
        metadata=shown("Image that is zero where the target is background.", Path | None),
    )
    strip: bool = field(
        default=False,
        metadata=shown(
            "Strip the skull of whole heads that have no mask (needs deepbet).", flags="--strip"
        ),
    )
    equalise: bool = field(
        default=False,
        metadata=shown(
            "Equalise the histograms of both images, for models trained so.", flags="--equalise"
        ),
    )
    histogram_matching: bool = field(
        default=False,
        metadata=shown(
            "Give the moving image the target's contrast.", flags="--histogram-matching"
        ),
    )
    reference: ImageLike | None = field(
        default=None,
        metadata=shown("Image on whose grid results lie instead of the target's.", Path | None),
    )
    progress: Progress | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.atlas is not None and not self.affine:
            raise QuicksilverError(
                "expected images to be aligned with the atlas, found that they are used where they "
                "lie; leave --atlas or --no-affine out"
            )

    def files(self, *more: object) -> list[str | os.PathLike[str]]:
        """List the paths among the options and `more`: the files that a registration reads."""
        values = [*more, *(getattr(self, each.name) for each in fields(self) if each.init)]
        return [value for value in values if isinstance(value, str | os.PathLike)]


@dataclass(frozen=True)
class Options(PairOptions):
    """How two images are registered by prediction.

    Args:
        model: A model, its file, or the name of one that ships; None: the default one.
        steps: Time steps of the geodesic; None: the model's own.
        correction: Whether the model's correction networks are used.
        decide: Whether the LDDMM energy decides which corrections are kept and how much of the
            momentum is shot (`quicksilver.registration.decision`); otherwise all of it is.
        samples: Number of predictions with dropout on, whose mean momentum is taken and whose
            variance is kept; None: one prediction without dropout.
        seed: Random seed of the samples.
        refine: Iterations of LDDMM matching that start from the predicted momentum.
        stride: Voxels between the patches of a network that sees patches; None: the model's own.
        batch_size: Patches per pass; None: what suits the device. For those networks only, too.
    """

    model: Model | str | os.PathLike[str] | None = field(default=None, metadata=MODEL)
    _: KW_ONLY
    steps: int | None = field(
        default=None,
        metadata=shown(
            "Time steps of the geodesic; the model's by default.",
            int | None,
            minimum=1,
            maximum=STEPS,
        ),
    )
    correction: bool = field(
        default=True, metadata=shown("Predict only.", flags=" /--no-correction")
    )
    decide: bool = field(
        default=True,
        metadata=shown(
            "Let the LDDMM energy decide how much of the prediction is used.",
            flags="--decide/--no-decide",
        ),
    )
    samples: int | None = field(
        default=None,
        metadata=shown(
            "Number of dropout samples, for a mean and a variance.",
            int | None,
            minimum=2,
            maximum=MANY,
        ),
    )
    seed: int = field(
        default=0, metadata=shown("Random seed for --samples.", minimum=0, maximum=SEED)
    )
    refine: int = field(default=0, metadata=REFINE)
    stride: int | None = field(
        default=None,
        metadata=shown(
            "Voxels between patches, for networks of patches; the model's by default.",
            int | None,
            minimum=1,
            maximum=PATCH,
        ),
    )
    batch_size: int | None = field(
        default=None,
        metadata=shown(
            "Patches per pass, for networks of patches; what suits the device by default.",
            int | None,
            minimum=1,
            maximum=MANY,
        ),
    )


def __getattr__(name: str) -> Any:
    """Give what was here in version 0.2 for one release."""
    if name != "FitOptions":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from quicksilver.registration.fit_options import FitOptions

    text = f"{__name__}.FitOptions is now in {FitOptions.__module__}"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return FitOptions
