"""The options of a registration and of a fit, for Python and the command line alike.

A field here is a keyword of `quicksilver.register` or `quicksilver.fit` and, with `shown`, an
option of the command. Nothing heavy is imported: the command line reads this module to print its
help.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quicksilver.errors import QuicksilverError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from _typeshed import DataclassInstance

    from quicksilver.io.images import ImageLike
    from quicksilver.lddmm.losses import Loss
    from quicksilver.lddmm.matching import FitSettings
    from quicksilver.networks.model import Model
    from quicksilver.runtime.stages import Progress


STEPS = 1000
"""Time steps of a geodesic at most: many more than any image needs."""

MANY = 100_000
"""Samples and iterations at most."""

SEED = 2**63 - 1
"""The largest seed that torch takes."""


def shown(
    help: str,
    kind: Any = None,
    flags: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Mapping[str, Any]:
    """Metadata of a field that the command line shows.

    Args:
        help: One sentence on the option.
        kind: Its type on the command line, where that is not the type of the default.
        flags: Its flags, where they are not made of its name.
        minimum: The smallest value that is accepted.
        maximum: The largest.
    """
    return {"help": help, "kind": kind, "flags": flags, "minimum": minimum, "maximum": maximum}


MODEL = shown(
    "Model file, or a model that ships: default-2mm (the default), default-1mm, quicksilver-2017.",
    Path | None,
)
DEVICE = shown("auto, cpu, cuda or cuda:N.", str)
REFINE = shown("Iterations of LDDMM that start from the prediction.", minimum=0, maximum=MANY)


@dataclass(frozen=True)
class PairOptions:
    """How two images are read and brought together, whatever registers them.

    Args:
        device: Device that computes: "auto", "cpu", "cuda" or "cuda:N".
        affine: Whether to align the images, and the target with the template, first.
        initial_affine: A matrix (4, 4) from the target's points to the moving image's in RAS
            millimetres, or a file of one, to begin with; with `affine` false it is kept as it is.
        moving_mask: An image that is zero where the moving image is background.
        target_mask: An image that is zero where the target is background.
        strip: Whether the skull is stripped first (`quicksilver.strip`) from each image that has no
            mask and is no bare brain.
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

    def files(self, *more: object) -> list[str | os.PathLike[str]]:
        """List the paths among the options and `more`: the files that a registration reads."""
        values = [*more, *(getattr(self, each.name) for each in fields(self) if each.init)]
        return [value for value in values if isinstance(value, str | os.PathLike)]


def check_ranges(options: DataclassInstance) -> None:
    """Check that the numbers among options, a dataclass whose fields are `shown`, are in range."""
    for each in fields(options):
        if each.metadata and each.metadata["minimum"] is not None:
            _check_range(each.name, getattr(options, each.name), each.metadata)


def _check_range(name: str, value: Any, about: Mapping[str, Any]) -> None:
    """Check that an option, or each of its numbers, is a number in its range; an integer where the
    smallest one is.
    """
    low, high = about["minimum"], about["maximum"]
    kind, named = (Integral, "an integer") if isinstance(low, int) else (Real, "a number")
    for number in value if isinstance(value, tuple | list) else (value,):
        if number is None:
            continue
        if not isinstance(number, kind) or not low <= number <= high:
            raise QuicksilverError(
                f"expected {name} to be {named} from {low:g} to {high:g}, found {number!r}; "
                "choose one of these"
            )


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


@dataclass(frozen=True)
class FitOptions(PairOptions):
    """How two images are registered by optimisation.

    Args:
        spacing: Voxel size of the working grid in millimetres.
        loss: "ssd", "lncc", "mi" for contrasts that differ, or a function
            (`quicksilver.lddmm.losses`); None: what suits `method`.
        sigma: Standard deviation of the noise: the loss is weighted by 1 / (2 sigma^2). None: the
            loss's own.
        window: Edge of the windows of "lncc" in voxels, odd.
        steps: Time steps of the geodesic.
        iterations: Largest number of iterations, at half and at full resolution.
        method: "lbfgs", or "quicksilver", the original's 50 equal steps at full resolution.
        alpha: Weight of the Laplacian in the metric's operator L = -alpha Laplacian - beta grad div
            + gamma, in voxels of the working grid (`quicksilver_ext.FluidMetric`).
        beta: Weight of the gradient of the divergence.
        gamma: Weight of the identity.
        settings: All settings of the fit at once, in place of `loss` to `method`.
        state: A file in which the fit is saved about every minute and from which it resumes.
    """

    spacing: float = field(
        default=2.0, metadata=shown("Voxel size of the working grid, mm.", minimum=0.1, maximum=100)
    )
    loss: Literal["ssd", "lncc", "mi"] | Loss | None = field(
        default=None,
        metadata=shown(
            "Image dissimilarity: lncc by default, ssd with --method quicksilver; mi for contrasts "
            "that differ.",
            Literal["ssd", "lncc", "mi"] | None,
        ),
    )
    sigma: float | None = field(
        default=None,
        metadata=shown(
            "Noise level: the loss is weighted by 1 / (2 sigma^2).",
            float | None,
            minimum=1e-6,
            maximum=1e6,
        ),
    )
    window: int = field(
        default=5, metadata=shown("Window of lncc in voxels, an odd number.", minimum=3, maximum=99)
    )
    steps: int = field(
        default=10, metadata=shown("Time steps of the geodesic.", minimum=1, maximum=STEPS)
    )
    iterations: tuple[int, int] = field(
        default=(20, 15),
        metadata=shown(
            "Maximum number of iterations at half and at full resolution.",
            tuple[int, int],
            minimum=0,
            maximum=MANY,
        ),
    )
    method: Literal["lbfgs", "quicksilver"] = field(
        default="lbfgs",
        metadata=shown(
            "quicksilver: the original's 50 equal steps, whatever --iterations.",
            Literal["lbfgs", "quicksilver"],
        ),
    )
    alpha: float = field(
        default=0.01,
        metadata=shown("Weight of the metric's Laplacian, voxels.", minimum=1e-9, maximum=1e6),
    )
    beta: float = field(
        default=0.01,
        metadata=shown("Weight of its gradient of the divergence.", minimum=0.0, maximum=1e6),
    )
    gamma: float = field(
        default=0.001, metadata=shown("Weight of its identity.", minimum=1e-9, maximum=1e6)
    )
    settings: FitSettings | None = None
    state: str | os.PathLike[str] | None = field(
        default=None, metadata=shown("Checkpoint to resume from (two images only).", Path | None)
    )
