"""A finished registration: its maps, energies and quality."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid, Image
from quicksilver.images.plane import require_alike
from quicksilver.io.exports import MapFormat, as_format
from quicksilver.io.images import ImageLike, as_image
from quicksilver.io.records import Record
from quicksilver.lddmm.matching import FitSettings
from quicksilver.lddmm.unfolding import Unfolded
from quicksilver.networks.dropout import Uncertainty
from quicksilver.registration.evaluation import measure_overlap
from quicksilver.registration.pair import Pair, Placement
from quicksilver.registration.quality import Energies, Quality, measure_energies, measure_quality
from quicksilver.registration.stripping import Stripped
from quicksilver.registration.verdict import Verdict, reach_verdict
from quicksilver.runtime.stages import Progress, Stages, peak_memory
from quicksilver.transforms.field import Mode, WorldField

WORSE = (
    "the images match worse than before: the model has not learned what such images want; refine "
    "its prediction (--refine 10) or fit"
)

STILL = "no deformation matches the images better than the affine alone: the result is the affine"


@dataclass(frozen=True)
class PredictionSettings(Record):
    """Settings of a prediction as it was made: `quicksilver.registration.options.Options`, with
    what the model and the energy (`quicksilver.registration.decision`) decided.
    """

    correction: bool
    refine: int
    steps: int
    method: str
    kept_corrections: int | None = None
    kept_scale: float | None = None
    samples: int | None = None
    seed: int | None = None
    stride: int | None = None


@dataclass(frozen=True)
class Settings(Record):
    """All that decided a registration: the source of its momentum, grid, placement, machine."""

    source: PredictionSettings | FitSettings
    metric: qs.FluidMetric
    grid: Grid
    placement: Placement
    device: str
    threads: int

    def to_json(self) -> dict[str, Any]:
        placement = self.placement.to_json()
        del placement["notes"]
        return {
            **self.source.to_json(),
            "metric": asdict(self.metric),
            "working_shape": list(self.grid.shape),
            "working_spacing_mm": self.grid.spacing.round(4).tolist(),
            **placement,
            "device": self.device,
            "threads": self.threads,
        }


class Writer(Protocol):
    """Writes a registration into a folder, as `quicksilver.results.folder.save_registration`."""

    def __call__(
        self,
        registration: Registration,
        folder: str | os.PathLike[str],
        *,
        about: dict[str, Any] | None,
        progress: Progress | None,
        out_format: MapFormat,
    ) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Registration:
    """Two registered images: maps, energies and quality, and how to save them.

    Args:
        pair: The images, on the working grid and as they were read.
        momentum: Initial momentum (1, 3, X, Y, Z) in voxels of the working grid.
        psi: Displacement (1, 3, X, Y, Z), in voxels of the working grid, of phi^-1, which warps the
            moving image to the target.
        phi: Displacement of phi, which warps the target back.
        energies: Kinetic energy and mismatch.
        quality: Folds, inverse consistency and other measures of psi.
        settings: All that decided the registration.
        seconds: Seconds of each stage.
        memory_mb: Peak memory in MB.
        uncertainty: Mean and variance of the dropout samples, if any were drawn; the registration
            is then the geodesic of their mean momentum.
        reference: Grid on which moving images are warped; None: the target's.
        stripped: What was stripped of its skull: "moving", "target".
        writer: Writes the files of `save`; given by whoever stands above the folder of results,
            as `quicksilver.register` and `quicksilver.fit` do.
    """

    pair: Pair
    momentum: Tensor
    psi: Tensor
    phi: Tensor
    energies: Energies
    quality: Quality
    settings: Settings
    seconds: dict[str, float]
    memory_mb: float
    uncertainty: Uncertainty | None = None
    reference: Grid | None = None
    stripped: Mapping[str, Stripped] = field(default_factory=dict)
    writer: Writer | None = field(default=None, repr=False, compare=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the images, their alignment and the match, in sentences."""
        notes = self.pair.notes
        worse = self.energies.mismatch_after > self.energies.mismatch_before
        source = self.settings.source
        still = isinstance(source, PredictionSettings) and source.kept_scale == 0
        return (*notes, *([WORSE] if worse else []), *([STILL] if still else []))

    @cached_property
    def verdict(self) -> Verdict:
        """Whether it can be used as it is, and why not."""
        return reach_verdict(self.pair.placement, self.energies, self.quality)

    @property
    def affine(self) -> np.ndarray:
        """(4, 4), from a point of the target to the moving image's, RAS millimetres."""
        return self.pair.placement.affine

    @cached_property
    def displacement(self) -> WorldField:
        """The whole map that warps moving images, on the reference's or the target's grid."""
        return self.displacement_on(self.reference or self.pair.target_image.grid)

    @cached_property
    def inverse_displacement(self) -> WorldField:
        """The whole map that warps target images back, on the moving image's grid."""
        return self.pair.backward(self.pair.before_affine(self.phi))

    @cached_property
    def warped(self) -> Image:
        """The moving image on the target's grid, interpolated once; on white paper if it was."""
        moving = self.pair.moving_image
        warped = self.displacement.warp(moving)
        if not moving.white:
            return warped
        return Image(moving.white - warped.data, warped.affine)

    def displacement_on(self, grid: Grid) -> WorldField:
        """Return the whole map that warps moving images, affine after phi^-1, on a grid."""
        return self.pair.forward(self.pair.beyond_affine(self.psi), grid)

    def jacobian(self) -> Tensor:
        """Return the determinant (1, 1, X, Y, Z) of `displacement`, by differences on its grid.

        It is that of the field as it is saved, the affine included.
        """
        return self.displacement.determinant()

    def apply(
        self,
        image: ImageLike,
        *,
        labels: bool = False,
        inverse: bool = False,
        outside: float = 0.0,
    ) -> Image:
        """Warp another image by the whole map.

        Args:
            image: An image of the moving space; with `inverse`, of the target's.
            labels: Whether it holds integer labels, which nearest neighbour keeps.
            inverse: Whether to warp from the target to the moving image.
            outside: Value beyond the image.

        Returns:
            The image on the target's (or the reference's) grid; with `inverse`, on the moving
            image's.
        """
        field = self.inverse_displacement if inverse else self.displacement
        source = as_image(image, labels, outside=outside, empty=True, planar=True)
        require_alike(source.grid, field.grid, ("the image", "the registered images"))
        mode: Mode = "nearest" if labels else "linear"
        warped = field.warp_volumes(source.data[..., None], source.grid, mode, outside)
        return Image(warped[..., 0], field.grid.affine)

    def overlap(self, moving_labels: ImageLike, target_labels: ImageLike) -> dict[str, float]:
        """Measure the mean overlap of the target's labels `before`, by the affine alone, and
        `after`, on their grid.
        """
        ours, theirs = (
            as_image(labels, True, planar=True) for labels in (moving_labels, target_labels)
        )
        for labels in (ours, theirs):
            require_alike(labels.grid, self.pair.grid, ("labels", "the registered images"))
        still = self.pair.beyond_affine(torch.zeros_like(self.psi))
        maps = {
            "before": self.pair.forward(still, theirs.grid),
            "after": self.displacement_on(theirs.grid),
        }
        return {
            name: measure_overlap(field.warp(ours, "nearest").data, theirs.data)
            for name, field in maps.items()
        }

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        about: dict[str, Any] | None = None,
        progress: Progress | None = None,
        out_format: str = "itk",
    ) -> dict[str, Any]:
        """Write all files that the command writes, or none.

        Args:
            folder: Folder for the files; made where it is missing.
            about: Further entries for result.json.
            progress: Called with the name of the stage.
            out_format: A program for which both maps are written, too: "itk-h5", "fsl", "afni",
                "spm" or "voxelmorph".

        Returns:
            The content of result.json.

        Raises:
            QuicksilverError: The folder cannot be written, the program cannot use the maps, or the
                registration has no `writer`.
        """
        kind = as_format(out_format)
        if self.writer is None:
            raise QuicksilverError(
                "expected a registration with a writer of its files, as quicksilver.register and "
                "quicksilver.fit return it, found none; use results.folder.save_registration"
            )
        return self.writer(self, folder, about=about, progress=progress, out_format=kind)


def judge_registration(
    pair: Pair,
    unfolded: Unfolded,
    source: PredictionSettings | FitSettings,
    metric: qs.FluidMetric,
    stages: Stages,
    *,
    iterations: list[list[float]] | None = None,
    uncertainty: Uncertainty | None = None,
) -> Registration:
    """Measure the energies and the quality of a momentum and its maps.

    Raises:
        QuicksilverError: The maps are not finite.
    """
    psi, phi = unfolded.psi, unfolded.phi
    if not (psi.isfinite().all() and phi.isfinite().all()):
        raise QuicksilverError(
            "expected a finite deformation, found NaN or infinity, as far too large a momentum "
            "gives; use a model for such images, or more --steps"
        )
    with stages("judge"):
        energies = measure_energies(pair, unfolded.momentum, psi, metric, iterations)
        quality = measure_quality(pair, unfolded, uncertainty)
    return Registration(
        pair=pair,
        momentum=unfolded.momentum,
        psi=psi,
        phi=phi,
        energies=energies,
        quality=quality,
        settings=Settings(
            source, metric, pair.grid, pair.placement, str(psi.device), torch.get_num_threads()
        ),
        seconds=stages.seconds,
        memory_mb=peak_memory(psi.device),
        uncertainty=uncertainty,
    )
