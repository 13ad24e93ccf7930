"""Affine alignment of two images: 12 parameters, whatever their headers say of position and side.

A matrix here takes a point of the target, RAS millimetres, to the matching point of the moving
image. Both images are turned into local contrast (each voxel less the mean around it, over the
standard deviation there), which scanners and bias fields change little; Gauss-Newton steps bring
its squared differences down from coarse to fine, where both images show something. Where what the
headers say leads to nothing alike, the search begins anew from the principal axes of both brains,
in all 48 orders and directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Grid
from quicksilver.images.resampling import make_affine_displacement
from quicksilver.registration.affine_prior import Prior
from quicksilver.registration.descent import Linearisation, descend
from quicksilver.registration.levels import Level
from quicksilver.registration.starts import from_axes, from_headers, from_parts

STRIDE = 2  # of the finest level every second voxel along each axis is enough
ITERATIONS = (10, 8, 8)
SHARED = 0.5
"""Part of the smaller image's contrast that must be compared; with less the similarity is lower."""
CANDIDATES = 3  # starts of parts of brains that the coarsest level hands on
ALIKE, ALIKE_IN_PART = 0.85, 0.8
"""Least similarity of two brains, and of parts of brains, at the coarsest level, 8 mm, when they
are aligned (docs/constants.md).
"""
LEAST = 50
"""Voxels of the coarsest level that a part of a brain fills: four for each of the parameters."""
UNMOVED = 0.02
"""An alignment improves the similarity at 4 mm by more, or the images were aligned already."""


@dataclass(frozen=True)
class Alignment:
    """An affine alignment of two images.

    Args:
        matrix: (4, 4), from the target's points to the moving image's, RAS millimetres.
        similarity: Correlation of local contrast at the coarsest level.
        turned: Whether the headers led to nothing alike, and the brains' own axes did.
        unmoved: Whether the images were aligned already; the matrix is then the identity.
        in_part: Whether one of the images shows a part of its brain.
        too_small: Whether that part is too small to be aligned by what it shows.
    """

    matrix: np.ndarray
    similarity: float
    turned: bool = False
    unmoved: bool = False
    in_part: bool = False
    too_small: bool = False

    @property
    def least(self) -> float:
        """The least similarity that convinces."""
        return ALIKE_IN_PART if self.in_part else ALIKE

    @property
    def convincing(self) -> bool:
        """Whether both images show the same thing."""
        return self.similarity >= self.least


def align(
    moving: Sequence[Level],
    target: Sequence[Level],
    start: np.ndarray | None = None,
    prior: Prior | None = None,
) -> Alignment:
    """Find the affine map from the target's points to the moving image's.

    Of a part of a brain that fills fewer than `LEAST` voxels of the coarsest level it is the start.

    Args:
        moving: Levels of the moving image (`quicksilver.registration.levels`).
        target: Levels of the target.
        start: A matrix (4, 4) to start from; None: what the headers say.
        prior: On scales and shears, where brains are cut off; None: that of two subjects.

    Example:
        >>> from quicksilver.images.image import Image
        >>> from quicksilver.registration.levels import build_levels
        >>> from quicksilver.training.synthesis import draw_smooth_noise
        >>> seeded = torch.Generator().manual_seed(0)
        >>> noise = draw_smooth_noise((40, 40, 40), (8,), seeded)[0, 0].numpy()
        >>> x, y, z = np.indices((40, 40, 40)) - 20
        >>> ball = ((x / 18) ** 2 + (y / 15) ** 2 + (z / 12) ** 2 < 1) * np.exp(noise)
        >>> shift = np.eye(4); shift[:3, 3] = 7, -30, 9
        >>> image = Image(ball.astype(np.float32), np.eye(4))
        >>> found = align(build_levels(Image(image.data, shift)), build_levels(image))
        >>> found.matrix[:3, 3].round(1).tolist()
        [7.0, -30.0, 9.0]
    """
    if _is_too_small(moving[0], target[0]):
        found = assess_alignment(moving, target, np.eye(4) if start is None else start)
        return replace(found, too_small=True)
    seen = [*target[:-1], target[-1].subsample(STRIDE)]
    prior = prior or Prior()
    along = [
        partial(_descend, moving=a, target=b, prior=prior)
        for a, b in zip(moving, seen, strict=True)
    ]
    matrices, turned = _begin(along[0], moving[0], target[0], start, prior)
    matrices, scores = along[1](matrices, iterations=ITERATIONS[1])
    if not turned:
        matrices, _ = _keep_best(matrices, scores)
    matrices, reached = along[2](matrices, iterations=ITERATIONS[2])
    return assess_alignment(moving, target, matrices[int(reached.argmax())], turned)


def _begin(
    descend: Callable[..., tuple[np.ndarray, np.ndarray]],
    moving: Level,
    target: Level,
    start: np.ndarray | None,
    prior: Prior,
) -> tuple[np.ndarray, bool]:
    """Return the best matrices (K, 4, 4) of the coarsest level, and whether they are turned against
    the headers.
    """
    brains = moving.find_points(), target.find_points()
    if start is None and _is_in_part(moving, target):
        directions = [*moving.view.directions, *target.view.directions]
        begin = from_parts(*brains, directions, prior, target.grid.scale)
        return _keep_best(*descend(begin, iterations=ITERATIONS[0]), CANDIDATES)[0], False
    begin = from_headers(*brains) if start is None else start[None]
    matrices, scores = _keep_best(*descend(begin, iterations=ITERATIONS[0]))
    if start is None and scores[0] < ALIKE:
        others, better = descend(from_axes(*brains), iterations=ITERATIONS[0])
        if better.max() >= ALIKE:
            return _keep_best_of_each_hand(others, better), True
    return matrices, False


def assess_alignment(
    moving: Sequence[Level], target: Sequence[Level], matrix: np.ndarray, turned: bool = False
) -> Alignment:
    """Return a matrix as an alignment, or the identity if the images are aligned as well without
    it.
    """
    similarity = measure_similarities(matrix[None], moving[0], target[0])
    found, before = measure_similarities(np.stack([matrix, np.eye(4)]), moving[1], target[1])
    unmoved = bool(before > found - UNMOVED)
    return Alignment(
        matrix=np.eye(4) if unmoved else matrix,
        similarity=float(similarity[0]),
        turned=turned,
        unmoved=unmoved,
        in_part=_is_in_part(moving[0], target[0]),
    )


def measure_similarities(matrices: np.ndarray, moving: Level, target: Level) -> np.ndarray:
    """Measure the correlations of local contrast (K,) by matrices (K, 4, 4) as they are."""
    into, out = np.linalg.inv(moving.grid.affine), target.grid.affine
    return _linearise(into @ matrices @ out, moving, target).score


def _keep_best(
    matrices: np.ndarray, scores: np.ndarray, count: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the `count` best, best first."""
    order = np.argsort(-scores)[:count]
    return matrices[order], scores[order]


def _keep_best_of_each_hand(matrices: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Keep the best matrix that mirrors and the best that does not: only finer levels tell left
    from right.
    """
    mirrors = np.linalg.det(matrices[:, :3, :3]) < 0
    best = [int(np.where(mirrors == hand, scores, -np.inf).argmax()) for hand in (False, True)]
    return matrices[best]


def _is_in_part(moving: Level, target: Level) -> bool:
    return not (moving.view.whole and target.view.whole)


def _is_too_small(moving: Level, target: Level) -> bool:
    """Tell whether a part of a brain fills too few voxels to decide on the parameters."""
    both = moving, target
    shown = min(len(level.find_points()) * level.grid.voxel_volume for level in both)
    coarsest = max(level.grid.voxel_volume for level in both)
    return _is_in_part(*both) and shown < LEAST * coarsest


@torch.no_grad()
def _descend(
    matrices: np.ndarray, moving: Level, target: Level, prior: Prior, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Improve matrices (K, 4, 4) by Levenberg-Marquardt steps, under the prior where brains are cut
    off; return them and their scores (K,).
    """
    linearise = partial(_linearise, moving=moving, target=target)
    held = prior if _is_in_part(moving, target) else None
    return descend(matrices, linearise, moving.grid, target.grid, held, iterations)


def _linearise(trial: np.ndarray, moving: Level, target: Level) -> Linearisation:
    """Linearise the similarities of matrices from the target's voxels to the moving image's."""
    shape, device = target.grid.shape, target.channels.device
    there = torch.cat([make_affine_displacement(matrix, shape, device) for matrix in trial])
    ours = qs.warp(moving.channels, there, padding_mode="zeros")
    weight = torch.maximum(ours[:, 1], target.channels[0, 1])  # (K, X, Y, Z)
    least = 1e-9
    if _is_in_part(moving, target):
        weight = weight * target.weigh_common_view(moving, trial)
        least = SHARED * min(moving.energy, target.energy) / target.grid.voxel_volume
    theirs, places = target.channels[0, 0].flatten(), _make_coordinates(target).flatten(1)
    each = [
        _sum_up(*pair, theirs, places)
        for pair in zip(weight.flatten(1), ours.flatten(2), strict=True)
    ]
    products, hessian, slope = (_settle(torch.stack(parts)) for parts in zip(*each, strict=True))
    common, ours_squared, theirs_squared, voxels = products.T
    energy = np.sqrt(ours_squared * theirs_squared).clip(least)
    return Linearisation(
        score=common / energy,
        hessian=hessian,
        slope=slope,
        energy=energy,
        volume=_measure_volume(target.grid, voxels.clip(1)),
    )


def _sum_up(
    weight: Tensor, ours: Tensor, theirs: Tensor, places: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum up what two images have in common, in double precision.

    Only voxels of some weight (V,) are visited: of a part of a brain, few.

    Args:
        weight: (V,).
        ours: The moving image's channels (5, V).
        theirs: The target's contrast (V,).
        places: (4, V).

    Returns:
        Sums of products and of weights (4,), the Hessian (12, 12) and the slope (12,).
    """
    inside = weight.nonzero()[:, 0]
    weight, theirs, places = weight[inside], theirs[inside], places[:, inside]
    contrast, _, *gradient = ours[:, inside]
    products = torch.stack(
        [
            (weight * product).sum(dtype=torch.float64)
            for product in (contrast * theirs, contrast * contrast, theirs * theirs, 1)
        ]
    )
    # d contrast / d (row i, column j of the matrix) = gradient_i place_j
    derivative = (torch.stack(gradient)[:, None] * places).flatten(0, 1).double()
    weighted = derivative * weight
    return products, weighted @ derivative.T, weighted @ (theirs - contrast).double()


def _measure_volume(grid: Grid, voxels: np.ndarray) -> np.ndarray:
    """Measure the mm3 of a brain that so many voxels are; of a slice, those of a cube over them."""
    return (grid.voxel_volume / grid.scale**grid.dims * voxels) ** (3 / grid.dims)


def _settle(sums: Tensor) -> np.ndarray:
    """Round sums in double precision to single, in which the order that threads sum in is lost."""
    settled: np.ndarray = sums.float().double().cpu().numpy()
    return settled


def _make_coordinates(level: Level) -> Tensor:
    """Return every voxel's place in a cube from -1 to 1 (a slice is at 0), and 1: (4, X, Y, Z)."""
    shape, device = level.grid.shape, level.channels.device
    lines = [torch.arange(n, device=device) * (2 / n) - float(n > 1) for n in shape]
    return torch.stack([*torch.meshgrid(*lines, indexing="ij"), torch.ones(shape, device=device)])
