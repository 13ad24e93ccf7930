"""Registration in one call, as the command line does it: raw images in, maps out.

>>> import quicksilver
>>> found = quicksilver.register("moving.nii.gz", "target.nii.gz")  # doctest: +SKIP
>>> found.apply("labels.nii.gz", labels=True)  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quicksilver.images.image import Grid, Image
from quicksilver.images.masks import looks_unstripped, masked
from quicksilver.io.affines import read_affine
from quicksilver.io.images import ImageLike, as_image
from quicksilver.lddmm.matching import Settings
from quicksilver.networks.model import Model
from quicksilver.networks.shipped import open_model
from quicksilver.registration import predict
from quicksilver.registration.evaluation import mean_overlap
from quicksilver.registration.optimise import optimise
from quicksilver.registration.pair import Placement
from quicksilver.registration.placement import place
from quicksilver.registration.result import Registration
from quicksilver.results.folder import save_registration
from quicksilver.runtime import devices
from quicksilver.runtime.stages import Progress, Stages
from quicksilver.transforms.field import WorldField


@dataclass(frozen=True)
class Registered:
    """Two registered images: `registration` has all that was computed, and what follows the files.

    reference: the grid of what is brought to the target; None: the target's own.
    """

    registration: Registration
    reference: Grid | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the images and how they were aligned, in sentences."""
        return self.registration.notes

    @property
    def affine(self) -> np.ndarray:
        """(4, 4), from a point of the target to the moving image's, RAS millimetres."""
        return self.registration.pair.placement.affine

    @property
    def momentum(self) -> Tensor:
        """(1, 3, X, Y, Z), in voxels of the working grid, `registration.pair.grid`."""
        return self.registration.momentum

    @cached_property
    def displacement(self) -> WorldField:
        """What carries moving images over: the whole map, on the target's or the reference's grid."""
        return self.registration.displacement(self.reference)

    @cached_property
    def inverse_displacement(self) -> WorldField:
        """What carries target images back: the whole map, on the moving image's grid."""
        return self.registration.inverse_displacement()

    @cached_property
    def warped(self) -> Image:
        """The moving image on the target's grid, interpolated once."""
        return self.displacement.warp(self.registration.pair.moving_image)

    def apply(self, image: ImageLike, *, labels: bool = False, inverse: bool = False) -> Image:
        """Another image of the moving space on the target's grid; inverse: the other way round.

        labels: by nearest neighbour, integers kept.
        """
        field = self.inverse_displacement if inverse else self.displacement
        return field.warp(as_image(image, labels), "nearest" if labels else "linear")

    def overlap(self, moving_labels: ImageLike, target_labels: ImageLike) -> dict[str, float]:
        """Mean overlap of the target's labels, `before` (by the affine alone) and `after`, on their grid."""
        ours, theirs = as_image(moving_labels, True), as_image(target_labels, True)
        pair, still = self.registration.pair, torch.zeros_like(self.registration.psi)
        maps = {
            "before": pair.forward(pair.beyond_affine(still), theirs.grid),
            "after": self.registration.displacement(theirs.grid),
        }
        return {
            name: mean_overlap(field.warp(ours, "nearest").data, theirs.data)
            for name, field in maps.items()
        }

    def save(self, folder: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
        """All files that the command writes (`quicksilver.results.folder.save_registration`)."""
        return save_registration(self.registration, folder, reference=self.reference, **options)


def register(
    moving: ImageLike,
    target: ImageLike,
    model: Model | str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "auto",
    steps: int | None = None,
    correction: bool = True,
    samples: int | None = None,
    seed: int = 0,
    refine: int = 0,
    progress: Progress | None = None,
    **pairing: Any,
) -> Registered:
    """Register two skull-stripped images by prediction, wherever they lie.

    moving, target: files, nibabel images, pairs of an array or tensor (X, Y, Z) and its affine (4, 4) to
    RAS millimetres, or `Image`s. model: of `quicksilver.networks.model` or its file; the one that ships by
    default. The other options are those of `quicksilver.registration.predict.register` and of `Pairing`.
    Raises QuicksilverError for what cannot be read or registered.
    """
    if not isinstance(model, Model):
        model = open_model(model)
    work = partial(
        predict.register,
        model=model,
        steps=steps,
        correction=correction,
        samples=samples,
        seed=seed,
        refine=refine,
    )
    return _registered(moving, target, Pairing(**pairing), work, device, progress)


def fit(
    moving: ImageLike,
    target: ImageLike,
    *,
    spacing: float = 2.0,
    settings: Settings | None = None,
    state: Path | None = None,
    device: str | torch.device = "auto",
    progress: Progress | None = None,
    **pairing: Any,
) -> Registered:
    """Register two skull-stripped images by optimisation (`quicksilver.registration.optimise.optimise`),
    wherever they lie; `Pairing` has the other options."""
    work = partial(optimise, spacing=spacing, settings=settings, state=state)
    return _registered(moving, target, Pairing(**pairing), work, device, progress)


@dataclass(frozen=True)
class Pairing:
    """How two images are brought together before they are registered.

    affine: align them, and the target with the template; otherwise they are used where they lie.
    initial_affine: a matrix (4, 4) from the target's points to the moving image's, or a file of one
    (`quicksilver.io.affines`), to begin with; with ``affine=False`` it is taken as it is. moving_mask,
    target_mask: where they are zero, their image is background. histogram_matching: the moving
    image is given the target's distribution of intensities. reference: the image on whose grid
    results lie instead of the target's.
    """

    affine: bool = True
    initial_affine: np.ndarray | str | os.PathLike[str] | None = None
    moving_mask: ImageLike | None = None
    target_mask: ImageLike | None = None
    histogram_matching: bool = False
    reference: ImageLike | None = None

    def images(self, moving: ImageLike, target: ImageLike) -> tuple[Image, Image]:
        """Both, read and masked."""
        return (
            _under(self.moving_mask, as_image(moving)),
            _under(self.target_mask, as_image(target)),
        )

    def placement(self, moving: Image, target: Image, device: torch.device) -> Placement:
        """Where they lie."""
        start = self._start(moving, target)
        if self.affine:
            found = place(moving, target, start, device)
        else:
            found = Placement() if start is None else Placement(start)
        named = (("moving image", moving), ("target", target))
        heads = tuple(
            f"the {name} has more non-zero voxels than a brain: if it is a whole head, strip the "
            "skull first"
            for name, image in named
            if looks_unstripped(image)
        )
        return replace(found, notes=heads + found.notes)

    def _start(self, moving: Image, target: Image) -> np.ndarray | None:
        if self.initial_affine is None or isinstance(self.initial_affine, np.ndarray):
            return self.initial_affine
        return read_affine(self.initial_affine, moving.grid, target.grid)


def _under(mask: ImageLike | None, image: Image) -> Image:
    return image if mask is None else masked(image, as_image(mask))


def _registered(
    moving: ImageLike,
    target: ImageLike,
    pairing: Pairing,
    work: Callable[..., Registration],
    device: str | torch.device,
    progress: Progress | None,
) -> Registered:
    chosen = devices.pick_device(str(device))
    stages = Stages(progress, chosen)
    with stages("read"):
        images = pairing.images(moving, target)
        reference = None if pairing.reference is None else as_image(pairing.reference).grid
    with stages("align"):
        placement = pairing.placement(*images, chosen)
    found = work(
        *images,
        device=chosen,
        placement=placement,
        histogram_matching=pairing.histogram_matching,
        progress=progress,
    )
    timed = replace(found, seconds={**stages.seconds, **found.seconds})
    return Registered(timed, reference)
