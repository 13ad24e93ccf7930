"""Make training batches: pairs of subjects, random geodesics, patches of fitted pairs.

A batch is decided by the recipe's seed, the number of the step and the process alone, so that a
training that was killed goes on with the batches it would have had, in any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.pyramid import downsample, downsample_momentum
from quicksilver.images.resampling import make_affine_displacement
from quicksilver.training.dataset import Volumes
from quicksilver.training.painting import draw_palette, paint
from quicksilver.training.settings import Variation
from quicksilver.training.synthesis import disturb, draw_geodesic, vary_scanner

SAME_MISALIGNMENT = 0.2
"""Part of the misalignment of two subjects that remains between two scans of one."""

SMALL = (0.1, 1.0)
"""Range of the largest displacement between two scans of one subject, in voxels."""


@dataclass(frozen=True)
class Batch:
    """What a network sees, and what it is judged on, in float32.

    Args:
        seen_moving: (N, 1, X, Y, Z), the moving images as a disturbed scanner shows them.
        seen_target: Likewise, the targets.
        moving: (N, 1, X, Y, Z), undisturbed.
        target: Likewise.
        momentum: (N, 3, X, Y, Z), the true or the fitted one; None: not known.
    """

    seen_moving: Tensor
    seen_target: Tensor
    moving: Tensor
    target: Tensor
    momentum: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Move the batch to a device."""
        return self._each(lambda image: image.to(device), lambda momentum: momentum.to(device))

    def downsample(self, factor: int) -> Batch:
        """Bring the batch to a grid coarser by `factor`, its momentum in that grid's voxels."""
        return self._each(
            lambda image: downsample(image, factor),
            lambda momentum: downsample_momentum(momentum, factor),
        )

    def _each(
        self, of_image: Callable[[Tensor], Tensor], of_momentum: Callable[[Tensor], Tensor]
    ) -> Batch:
        return Batch(
            of_image(self.seen_moving),
            of_image(self.seen_target),
            of_image(self.moving),
            of_image(self.target),
            None if self.momentum is None else of_momentum(self.momentum),
        )


class Source(Protocol):
    """Gives batches of `count` samples; the state of the generator decides all of them."""

    def batch(self, count: int, generator: torch.Generator) -> Batch: ...


@dataclass(frozen=True)
class CoarseSource:
    """The batches of another source, on a grid coarser by `factor`."""

    source: Source
    factor: int

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        return self.source.batch(count, generator).downsample(self.factor)


class Subjects:
    """Random ordered pairs of subjects, posed and disturbed at random; some are of one subject."""

    def __init__(self, volumes: Volumes, variation: Variation, metric: qs.FluidMetric) -> None:
        self.volumes, self.variation, self.metric = volumes, variation, metric

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        pairs = [self._pair(generator) for _ in range(count)]
        moving, target = (torch.cat(images) for images in zip(*pairs, strict=True))
        moving, target = vary_scanner((moving, target), generator, self.variation.scanner)
        return _disturb_batch(moving, target, self.variation, generator)

    def _pair(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        members = torch.randperm(len(self.volumes), generator=generator)[:2].tolist()
        palette = draw_palette(generator)
        images = [load_or_paint(self.volumes, member, palette, generator) for member in members]
        variation = self.variation
        if torch.rand((), generator=generator) < variation.rescans:
            images[1] = self._rescan(images[0], generator)
            misalignment = SAME_MISALIGNMENT * variation.misalignment
            variation = variation.model_copy(update={"misalignment": misalignment})
        posed = pose(images[0], images[1], variation, generator)
        return cut(posed, self.variation.window, generator)

    def _rescan(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Scan a subject again: unchanged, or after a small geodesic."""
        if torch.rand((), generator=generator) < 0.5:
            return image
        _, psi, _ = draw_geodesic(image, self.metric, generator, largest=SMALL)
        return qs.warp(image, psi)


class Geodesics:
    """Subjects moved along random geodesics: endless pairs whose momentum is known exactly."""

    def __init__(self, volumes: Volumes, variation: Variation, metric: qs.FluidMetric) -> None:
        self.volumes, self.variation, self.metric = volumes, variation, metric

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        samples = [self._geodesic(generator) for _ in range(count)]
        moving, target, momentum = (torch.cat(parts) for parts in zip(*samples, strict=True))
        return _disturb_batch(moving, target, self.variation, generator, momentum)

    def _geodesic(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        member = int(torch.randint(len(self.volumes), (), generator=generator))
        image = load_or_paint(self.volumes, member, draw_palette(generator), generator)
        posed = pose(image, image, self.variation, generator)
        image, _ = cut(posed, self.variation.window, generator)
        [image] = vary_scanner([image], generator, self.variation.scanner)
        momentum, psi, _ = draw_geodesic(image, self.metric, generator)
        return image, qs.warp(image, psi), momentum


def load_or_paint(
    volumes: Volumes, member: int, palette: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the image of a subject, or one painted after its label map where there is none."""
    if volumes.images is not None:
        return volumes.image(member)
    assert volumes.labels is not None
    return paint(volumes.labels[member : member + 1], palette, generator)


def pose(
    moving: Tensor, target: Tensor, variation: Variation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Turn, scale and shift two images alike, with a small misalignment between them.

    With probability one half both are mirrored across axis 0 (left and right).
    """
    common = _draw_affine(variation.rotation, variation.scale, variation.shift, generator)
    if torch.rand((), generator=generator) < 0.5:
        common = common @ np.diag([-1.0, 1.0, 1.0, 1.0])
    posed = []
    for image in (moving, target):
        loose = variation.misalignment
        matrix = common @ _draw_affine(math.degrees(loose), loose, 27 * loose, generator)
        shape = image.shape[2:]
        centre = np.eye(4)
        centre[:3, 3] = (np.array(shape) - 1) / 2
        centred = centre @ matrix @ np.linalg.inv(centre)
        positions = make_affine_displacement(centred, tuple(shape), image.device)
        posed.append(qs.warp(image, positions, padding_mode="zeros"))
    return posed[0], posed[1]


def cut(
    pair: tuple[Tensor, Tensor], window: tuple[int, ...] | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut the same random box out of two images; a window of None leaves them as they are."""
    for axis, length in enumerate(window or (), start=2):
        spare = max(pair[0].shape[axis] - length, 0)
        first = int(torch.randint(spare + 1, (), generator=generator))
        moving, target = (image.narrow(axis, first, image.shape[axis] - spare) for image in pair)
        pair = moving, target
    return pair


def _draw_affine(
    rotation: float, scale: float, shift: float, generator: torch.Generator
) -> np.ndarray:
    """Draw a random affine about the origin: normal rotations (degrees), log scales and shifts."""
    turns, stretches, shifts = torch.randn(3, 3, generator=generator, dtype=torch.float64).numpy()
    matrix = np.eye(4)
    for axis, angle in enumerate(np.radians(rotation) * turns):
        turn = np.eye(4)
        first, second = (other for other in range(3) if other != axis)
        turn[first, first] = turn[second, second] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    matrix = matrix @ np.diag([*np.exp(scale * stretches), 1.0])
    matrix[:3, 3] = shift * shifts
    return matrix


def _disturb_batch(
    moving: Tensor,
    target: Tensor,
    variation: Variation,
    generator: torch.Generator,
    momentum: Tensor | None = None,
) -> Batch:
    seen = [disturb(image, generator, variation.intensity) for image in (moving, target)]
    return Batch(seen[0], seen[1], moving, target, momentum)
