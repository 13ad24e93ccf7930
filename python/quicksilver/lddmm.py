"""LDDMM matching: the initial momentum of the geodesic that best carries one image onto another.

    E(m0) = 1/2 <m0, K m0> + 1/(2 sigma^2) |I0 o psi_1 - I1|^2

both summed over the voxels of the finest grid. The gradient is the exact discrete adjoint of
`shoot`, by autograd. The minimiser is L-BFGS whose initial inverse Hessian is a multiple of L, the
inverse of K: the Hessian of the first term is K, so that L makes the first direction the natural
gradient -(m0 - L m_adj).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs

Progress = Callable[[int, int, float], None]
"""Called as progress(level, iteration, energy) after every iteration; level 0 is the coarsest."""

MEMORY = 6
"""Pairs of differences that L-BFGS keeps: two fields each, for tens of iterations at most."""

LARGEST_STEP = 0.5
"""Largest change of the initial velocity by one iteration, in voxels of the level: longer steps
lower the energy too, but by folds, out of which no later iteration finds."""

ARMIJO = 1e-4
HALVINGS = 8


@dataclass(frozen=True)
class Fit:
    """A fitted pair: `momentum` (1, 3, *S) in voxel units, and the energies of every level,
    coarsest first.

    `energies[l][0]` is the energy at the start of level l, then one value per accepted iteration.
    Energies of different levels are comparable: each is weighted by the volume of its voxels.
    """

    momentum: Tensor
    energies: list[list[float]] = field(default_factory=list)


def fit(
    moving: Tensor,
    target: Tensor,
    metric: qs.FluidMetric,
    *,
    sigma: float = 0.2,
    steps: int = 10,
    levels: Sequence[int] = (2, 1),
    iterations: Sequence[int] = (20, 10),
    tolerance: float = 1e-3,
    start: Tensor | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fit the initial momentum of the geodesic from `moving` to `target`.

    moving, target: (1, 1, X, Y, Z) on one grid, intensities as `quicksilver.images.normalise`
    scales them (sigma refers to that scale). metric: in voxels of that grid. levels: by how much
    each level's grid is coarser than the images', coarsest first; iterations: at most so many on
    each. A level ends when an iteration lowers the energy by less than `tolerance` times its value.
    start: momentum (1, 3, X, Y, Z) to continue from instead of zero. Boundaries are those of
    `quicksilver_ext.shoot`. Raises ValueError where the shapes or the numbers of levels and
    iterations do not fit together.

    >>> blob = torch.zeros(1, 1, 16, 16, 16); blob[..., 5:11, 5:11, 5:11] = 1
    >>> result = fit(blob, blob.roll(1, 2), qs.FluidMetric(), levels=(1,), iterations=(3,))
    >>> result.energies[0][-1] < result.energies[0][0]
    True
    """
    _check(moving, target, levels, iterations)
    momentum = moving.new_zeros(1, 3, *moving.shape[2:]) if start is None else start
    energies = []
    for level, (factor, count) in enumerate(zip(levels, iterations, strict=True)):
        images = coarser(moving, factor), coarser(target, factor)
        matching = Matching(*images, metric_at(metric, factor), sigma, steps, factor**3)
        report = partial(progress, level) if progress is not None else lambda *news: None
        # A momentum in voxels of a grid with spacing h is h times the physical one.
        begin = coarser(momentum, factor) * factor
        solution, history = minimise(
            matching.energy, begin, matching.metric, count, tolerance, report
        )
        momentum = finer(solution, factor, moving.shape[2:]) / factor
        energies.append(history)
    return Fit(momentum, energies)


@dataclass(frozen=True)
class Matching:
    """The matching problem of one level, everything in voxels of that level.

    volume: of such a voxel, in voxels of the finest grid, so that energies of all levels compare.
    """

    moving: Tensor
    target: Tensor
    metric: qs.FluidMetric
    sigma: float
    steps: int
    volume: float = 1.0

    def energy(self, momentum: Tensor) -> Tensor:
        # Linear composition: its error of some hundredths of a voxel is far below what fitting
        # leaves, at half the time.
        psi, _ = qs.shoot(momentum, self.metric, steps=self.steps, composition="linear")
        mismatch = qs.warp(self.moving, psi) - self.target
        kinetic = 0.5 * (momentum * self.metric.sharp(momentum)).sum()
        return self.volume * (kinetic + mismatch.square().sum() / (2 * self.sigma**2))


def minimise(
    energy: Callable[[Tensor], Tensor],
    start: Tensor,
    metric: qs.FluidMetric,
    iterations: int,
    tolerance: float,
    report: Callable[[int, float], None],
) -> tuple[Tensor, list[float]]:
    """L-BFGS with Armijo backtracking: the last momentum, and all energies from the start's on."""
    pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=MEMORY)
    here = start.detach().requires_grad_()
    value = energy(here)
    history = [value.item()]
    (gradient,) = torch.autograd.grad(value, here)
    for iteration in range(1, iterations + 1):
        direction = -_inverse_hessian(gradient, pairs, metric)
        largest = metric.sharp(direction).abs().max().item()
        if not pairs or largest > LARGEST_STEP:  # the first direction has no scale of its own
            direction *= LARGEST_STEP / max(largest, torch.finfo(direction.dtype).tiny)
        found = _line_search(energy, here, direction, gradient, history[-1])
        if found is None:
            break  # no lower energy along the direction within rounding: converged
        there, value = found
        (new_gradient,) = torch.autograd.grad(value, there)
        pair = (there.detach() - here.detach(), new_gradient - gradient)
        if _dot(*pair) > 0:  # otherwise the model of the curvature would not be positive definite
            pairs.append(pair)
        here, gradient = there, new_gradient
        history.append(value.item())
        report(iteration, history[-1])
        if history[-2] - history[-1] < tolerance * abs(history[-2]):
            break
    return here.detach(), history


def _inverse_hessian(
    gradient: Tensor, pairs: deque[tuple[Tensor, Tensor]], metric: qs.FluidMetric
) -> Tensor:
    """The two-loop recursion (Nocedal 1980) around H0 = scale * L."""
    q = gradient.clone()
    weights = []
    for s, y in reversed(pairs):
        weight = _dot(s, q) / _dot(s, y)
        q -= weight * y
        weights.append(weight)
    r = metric.flat(q)
    if pairs:
        s, y = pairs[-1]
        r *= _dot(s, y) / _dot(y, metric.flat(y))
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        r += (weight - _dot(y, r) / _dot(s, y)) * s
    return r


def _line_search(
    energy: Callable[[Tensor], Tensor],
    here: Tensor,
    direction: Tensor,
    gradient: Tensor,
    value: float,
) -> tuple[Tensor, Tensor] | None:
    """The first of the steps 1, 1/2, 1/4 ... that lowers the energy enough, and its energy (with
    graph)."""
    slope = _dot(direction, gradient)
    step = 1.0
    for _ in range(HALVINGS):
        there = (here.detach() + step * direction).requires_grad_()
        trial = energy(there)
        if math.isfinite(trial.item()) and trial.item() < value + ARMIJO * step * slope:
            return there, trial
        step /= 2
    return None


def _dot(a: Tensor, b: Tensor) -> float:
    return torch.sum(a * b, dtype=torch.float64).item()


def metric_at(metric: qs.FluidMetric, factor: int) -> qs.FluidMetric:
    """The same physical metric for fields in voxels of a grid coarser by `factor`."""
    pad = metric.pad if isinstance(metric.pad, str) else math.ceil(metric.pad / factor)
    return replace(metric, spacing=tuple(h * factor for h in metric.spacing), pad=pad)


def coarser(field: Tensor, factor: int) -> Tensor:
    """Means over cubes of `factor` voxels; what is missing at the far faces counts as zero."""
    ends = [end for n in reversed(field.shape[2:]) for end in (0, -n % factor)]
    return F.avg_pool3d(F.pad(field, ends), factor) if factor > 1 else field


def finer(field: Tensor, factor: int, shape: Sequence[int]) -> Tensor:
    """Linear interpolation between the centres of the cubes of `coarser`, cropped to `shape`."""
    if factor == 1:
        return field
    fine = F.interpolate(field, scale_factor=factor, mode="trilinear", align_corners=False)
    return fine[..., : shape[0], : shape[1], : shape[2]].contiguous()


def _check(
    moving: Tensor, target: Tensor, levels: Sequence[int], iterations: Sequence[int]
) -> None:
    if moving.dim() != 5 or moving.shape[:2] != (1, 1) or moving.shape != target.shape:
        raise ValueError(
            f"fit: moving and target must both be (1, 1, X, Y, Z), found {tuple(moving.shape)} and "
            f"{tuple(target.shape)}; bring both images onto one grid first"
        )
    if len(levels) != len(iterations):
        raise ValueError(
            f"fit: levels and iterations must have one entry per level, found {len(levels)} and "
            f"{len(iterations)}; give as many of one as of the other"
        )
