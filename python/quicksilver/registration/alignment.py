"""Affine alignment of two images: 12 parameters, whatever their headers say of position and side.

A matrix here takes a point of the target, RAS millimetres, to the matching point of the moving
image. Both images are turned into local contrast (each voxel less the mean around it, over the
standard deviation there), which scanners and bias fields change little; Gauss-Newton steps bring
its squared differences down from coarse to fine. Where what the headers say leads to nothing alike,
the search begins anew from the principal axes of both brains, in all 48 orders and directions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.filters import average, dilate
from quicksilver.images.image import Grid, Image, measure_longest_side
from quicksilver.images.intensity import normalise
from quicksilver.images.pyramid import downsample
from quicksilver.images.resampling import affine_displacement, resample, working_grid

SIZE = 84  # voxels of the finest level along the longest side of a brain: 2 mm for an adult's
FACTORS = (4, 2, 1)  # how much coarser each level is
STRIDE = 2  # of the finest level every second voxel along each axis is enough
ITERATIONS = (10, 8, 8)
GAIN = 1e-4  # a level ends when an iteration improves the similarity by less
MARGIN = 4  # voxels of the finest level around a brain
WINDOW = 7  # edge, in voxels, of the boxes in which contrast is normalised
NOISE = 0.03  # standard deviation, on the normalised scale, that counts as no contrast
ALIKE = 0.85
"""Least similarity of two brains at the coarsest level, 8 mm, when they are aligned
(docs/register.md).
"""
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
    """

    matrix: np.ndarray
    similarity: float
    turned: bool = False
    unmoved: bool = False

    @property
    def convincing(self) -> bool:
        """Whether both images show the same thing."""
        return self.similarity >= ALIKE


@dataclass(frozen=True)
class Level:
    """A brain at one resolution.

    Args:
        channels: (1, 5, X, Y, Z): local contrast, where the brain is (0 or 1), and the gradient of
            the contrast.
        grid: Their grid.
    """

    channels: Tensor
    grid: Grid

    @classmethod
    def build(cls, fine: Tensor, grid: Grid, factor: int) -> Level:
        """Make a level from a normalised image (1, 1, X, Y, Z) on a grid finer by `factor`."""
        image = downsample(fine, factor)
        contrast = _normalise_locally(image)
        brain = dilate((image > NOISE).float(), 1)
        channels = torch.cat([contrast, brain, qs.gradient(contrast).flatten(1, 2)], dim=1)
        return cls(channels, _coarsen_grid(grid, factor, (factor - 1) / 2))

    def subsample(self, stride: int) -> Level:
        """Keep every `stride`-th voxel along each axis."""
        some = self.channels[:, :, ::stride, ::stride, ::stride].contiguous()
        return Level(some, _coarsen_grid(self.grid, stride, 0))


def align(
    moving: Sequence[Level], target: Sequence[Level], start: np.ndarray | None = None
) -> Alignment:
    """Find the affine map from the target's points to the moving image's.

    Args:
        moving: Levels of the moving image (`build_levels`).
        target: Levels of the target.
        start: A matrix (4, 4) to start from; None: what the headers say.

    Example:
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
    seen = [*target[:-1], target[-1].subsample(STRIDE)]
    along = [partial(_descend, moving=a, target=b) for a, b in zip(moving, seen, strict=True)]
    begin = _from_headers(moving[0], target[0]) if start is None else start[None]
    matrices, scores = _keep_best(*along[0](begin, iterations=ITERATIONS[0]))
    turned = False
    if start is None and scores[0] < ALIKE:
        others, better = along[0](_from_axes(moving[0], target[0]), iterations=ITERATIONS[0])
        turned = bool(better.max() >= ALIKE)
        matrices, scores = _keep_best_of_each_hand(others, better) if turned else (matrices, scores)
    matrices, _ = along[1](matrices, iterations=ITERATIONS[1])
    matrices, reached = along[2](matrices, iterations=ITERATIONS[2])
    return assess_alignment(moving, target, matrices[int(reached.argmax())], turned)


def assess_alignment(
    moving: Sequence[Level], target: Sequence[Level], matrix: np.ndarray, turned: bool = False
) -> Alignment:
    """Return a matrix as an alignment, or the identity if the images are aligned as well without
    it.
    """
    _, similarity = _descend(matrix[None], moving[0], target[0], 0)
    _, (found, before) = _descend(np.stack([matrix, np.eye(4)]), moving[1], target[1], 0)
    unmoved = bool(before > found - UNMOVED)
    return Alignment(np.eye(4) if unmoved else matrix, float(similarity[0]), turned, unmoved)


def _keep_best(matrices: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = int(scores.argmax())
    return matrices[[first]], scores[[first]]


def _keep_best_of_each_hand(
    matrices: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the best matrix that mirrors and the best that does not: only finer levels tell left
    from right.
    """
    mirrors = np.linalg.det(matrices[:, :3, :3]) < 0
    best = [int(np.where(mirrors == hand, scores, -np.inf).argmax()) for hand in (False, True)]
    return matrices[best], scores[best]


def build_levels(image: Image, device: torch.device | str = "cpu") -> list[Level]:
    """Make the levels of a skull-stripped image, coarsest first."""
    spacing = max(measure_longest_side(image) / SIZE, float(image.grid.spacing.min()))
    grid = working_grid(image, image, spacing, margin=MARGIN)
    fine = normalise(resample(image, grid, device=device))
    return [Level.build(fine, grid, factor) for factor in FACTORS]


def _coarsen_grid(grid: Grid, factor: int, first: float) -> Grid:
    """Return the grid of every `factor`-th voxel, the first at an index of the finer grid."""
    x, y, z = (-(-size // factor) for size in grid.shape)
    affine = grid.affine @ np.diag([factor, factor, factor, 1.0])
    affine[:3, 3] = grid.affine[:3] @ [first, first, first, 1.0]
    return Grid((x, y, z), affine)


def _normalise_locally(image: Tensor) -> Tensor:
    mean, squares = (average(each, WINDOW // 2, "constant") for each in (image, image * image))
    variance = (squares - mean * mean).clamp(min=0)
    return (image - mean) / (variance + NOISE**2).sqrt()


def _from_headers(moving: Level, target: Level) -> np.ndarray:
    """Return starts (2, 4, 4): the headers alone, and one brain's centre and size on the other."""
    (centre, _, size), (other, _, its_size) = _find_axes(moving), _find_axes(target)
    return np.stack([np.eye(4), _make_affine_about(size / its_size * np.eye(3), centre, other)])


def _from_axes(moving: Level, target: Level) -> np.ndarray:
    """Return starts (48, 4, 4): one brain's principal axes on the other's, in every order and
    direction.
    """
    (centre, axes, size), (other, its_axes, its_size) = _find_axes(moving), _find_axes(target)
    turns = [
        np.eye(3)[list(order)] * signs
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    linear = [size / its_size * axes @ turn @ its_axes.T for turn in turns]
    return np.stack([_make_affine_about(one, centre, other) for one in linear])


def _make_affine_about(linear: np.ndarray, centre: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the affine that takes the point `other` to `centre`."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, centre - linear @ other
    return matrix


def _find_axes(level: Level) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the centre of a brain's mask, its principal axes in columns, and its size in mm."""
    voxels = level.channels[0, 1].nonzero().double().cpu().numpy()
    world = voxels @ level.grid.affine[:3, :3].T + level.grid.affine[:3, 3]
    values, vectors = np.linalg.eigh(np.cov(world.T))
    return world.mean(axis=0), vectors, float(np.prod(values) ** (1 / 6))


@torch.no_grad()
def _descend(
    matrices: np.ndarray, moving: Level, target: Level, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Improve matrices (K, 4, 4) by Levenberg-Marquardt steps; return them and their similarities
    (K,).

    Every matrix is improved on its own, all in one batch.
    """
    into, out = np.linalg.inv(moving.grid.affine), target.grid.affine
    unit = np.diag([*(2 / np.array(target.grid.shape)), 1.0])
    unit[:3, 3] = -1  # a voxel of the target in a cube from -1 to 1, where steps are well scaled
    best = trial = into @ matrices @ out
    scores, damping = np.full(len(best), -np.inf), np.full(len(best), 0.01)
    hessian, slope = np.zeros((len(best), 12, 12)), np.zeros((len(best), 12))
    for _ in range(iterations + 1):
        found, new_hessian, new_slope = _linearise(trial, moving, target)
        gain, better = found - scores, found > scores
        best[better], scores[better] = trial[better], found[better]
        hessian[better], slope[better] = new_hessian[better], new_slope[better]
        if (better & (gain < GAIN)).all():
            break
        damping = np.where(better, damping / 4, damping * 6)
        trial = best + _solve_steps(hessian, slope, damping) @ unit
    return np.linalg.inv(into) @ best @ np.linalg.inv(out), scores


def _solve_steps(hessian: np.ndarray, slope: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Solve for damped steps (K, 4, 4), whose last row is zero."""
    diagonal = np.einsum("kii->ki", hessian)
    damped = damping[:, None] * diagonal + 1e-6 * diagonal.max(axis=1, keepdims=True) + 1e-9
    steps = np.linalg.solve(hessian + damped[:, :, None] * np.eye(12), slope[:, :, None])
    return np.concatenate([steps.reshape(-1, 3, 4), np.zeros((len(steps), 1, 4))], axis=1)


def _linearise(
    trial: np.ndarray, moving: Level, target: Level
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return similarities (K,) and the normal equations of steps from there, (K, 12, 12) and (K,
    12).
    """
    shape, device = target.grid.shape, target.channels.device
    seen = torch.cat([affine_displacement(matrix, shape, device) for matrix in trial])
    contrast, brain, *gradient = qs.warp(moving.channels, seen, padding_mode="zeros").unbind(1)
    theirs, their_brain = target.channels[0, :2]
    weight = torch.maximum(brain, their_brain)  # (K, X, Y, Z)
    common, ours, their = (
        (weight * product).flatten(1).sum(1, dtype=torch.float64)
        for product in (contrast * theirs, contrast * contrast, theirs * theirs)
    )
    similarity = common / (ours * their).sqrt().clamp(min=1e-9)
    # d contrast / d (row i, column j of the matrix) = gradient_i place_j
    derivative = (
        (torch.stack(gradient, 1)[:, :, None] * _make_coordinates(target)).flatten(3).flatten(1, 2)
    )
    weighted = derivative * weight.flatten(1)[:, None]
    hessian = weighted @ derivative.transpose(1, 2)
    slope = weighted @ (theirs - contrast).flatten(1)[:, :, None]
    return similarity.cpu().numpy(), _to_numpy(hessian), _to_numpy(slope[..., 0])


def _to_numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()


def _make_coordinates(level: Level) -> Tensor:
    """Return every voxel's place in a cube from -1 to 1, and 1: (4, X, Y, Z)."""
    shape, device = level.grid.shape, level.channels.device
    lines = [torch.arange(n, device=device) * (2 / n) - 1 for n in shape]
    return torch.stack([*torch.meshgrid(*lines, indexing="ij"), torch.ones(shape, device=device)])
