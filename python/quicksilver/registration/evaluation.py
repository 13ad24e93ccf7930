"""Judging a registration: overlap of labels, distances of their surfaces, regularity of the map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Image
from quicksilver.io.records import Record
from quicksilver.transforms.field import WorldField
from quicksilver.transforms.folds import count_folds


@dataclass(frozen=True)
class LabelScore:
    """How one label of the target was met.

    overlap: |warped and target| / |target|. hd95_mm: 95th percentile of the distances between the
    surfaces; None where the label was lost.
    """

    label: int
    overlap: float
    dice: float
    hd95_mm: float | None


def score_labels(warped: np.ndarray, target: np.ndarray, spacing: np.ndarray) -> list[LabelScore]:
    """Scores of every non-zero label of `target`; both (X, Y, Z), on one grid of `spacing` mm.

    >>> cube = np.zeros((9, 9, 9), int)
    >>> cube[2:6, 2:6, 2:6] = 7
    >>> score_labels(np.roll(cube, 1, axis=0), cube, np.ones(3))
    [LabelScore(label=7, overlap=0.75, dice=0.75, hd95_mm=1.0)]
    """
    from scipy.ndimage import find_objects

    labels = np.unique(target)
    labels = labels[labels != 0]
    ours, theirs = _ranks(warped, labels), _ranks(target, labels)
    sizes = np.bincount(ours.ravel(), minlength=len(labels) + 1)
    target_sizes = np.bincount(theirs.ravel(), minlength=len(labels) + 1)
    common = np.bincount(theirs[ours == theirs], minlength=len(labels) + 1)
    boxes = [find_objects(ranks, max_label=len(labels)) for ranks in (ours, theirs)]
    scores = []
    for rank, label in enumerate(labels, start=1):
        distance = None
        if sizes[rank]:
            box = _hull(boxes[0][rank - 1], boxes[1][rank - 1])
            distance = _hd95(ours[box] == rank, theirs[box] == rank, spacing)
        overlap = common[rank] / target_sizes[rank]
        dice = 2 * common[rank] / (sizes[rank] + target_sizes[rank])
        scores.append(LabelScore(int(label), float(overlap), float(dice), distance))
    return scores


def mean_overlap(warped: np.ndarray, target: np.ndarray) -> float:
    """Mean over the non-zero labels of `target` of |warped and target| / |target|; both (X, Y, Z).

    >>> mean_overlap(np.array([[[1, 2, 2]]]), np.array([[[1, 2, 0]]]))
    1.0
    """
    labels = np.unique(target)
    ranks = _ranks(target, labels[labels != 0])
    sizes = np.bincount(ranks.ravel())[1:]
    common = np.bincount(ranks[warped == target], minlength=len(sizes) + 1)[1:]
    return float(np.mean(common / sizes))


def _ranks(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Place of every value in `labels`, counted from 1; 0 for what is not in it."""
    place = np.searchsorted(labels, values).clip(max=max(len(labels) - 1, 0))
    return np.where(labels[place] == values, place + 1, 0)


def _hull(first: tuple[slice, ...], second: tuple[slice, ...]) -> tuple[slice, ...]:
    """The smallest box around two boxes."""
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )


def _hd95(first: np.ndarray, second: np.ndarray, spacing: np.ndarray) -> float:
    """The larger of the 95th percentiles of the distances of each surface to the other, in mm."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    surfaces = [inside & ~binary_erosion(inside, border_value=0) for inside in (first, second)]
    to_surface = [distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return max(
        float(np.percentile(to_surface[1][surfaces[0]], 95)),
        float(np.percentile(to_surface[0][surfaces[1]], 95)),
    )


def mean_scores(scores: list[LabelScore]) -> dict[str, float | None]:
    """Means over labels; the surface distance over the labels that have one."""
    distances = [score.hd95_mm for score in scores if score.hd95_mm is not None]
    return {
        "overlap": float(np.mean([score.overlap for score in scores])),
        "dice": float(np.mean([score.dice for score in scores])),
        "hd95_mm": float(np.mean(distances)) if distances else None,
    }


@dataclass(frozen=True)
class Spread(Record):
    """How lengths are distributed."""

    median: float
    mean: float
    max: float


def inverse_consistency(psi: Tensor, phi: Tensor, inside: Tensor) -> Spread:
    """Lengths in voxels of psi + phi o (id + psi) where `inside` (1, 1, X, Y, Z) is true.

    psi, phi: displacements (1, 3, X, Y, Z) of two maps that should undo each other; continued by
    their border values.
    """
    return spread(qs.compose(phi, psi), inside)


def spread(vectors: Tensor, inside: Tensor) -> Spread:
    """Median, mean and maximum of the lengths of vectors (1, 3, X, Y, Z) where `inside` is true."""
    lengths = vectors.square().sum(dim=1, keepdim=True)[inside].sqrt()
    return Spread(lengths.median().item(), lengths.mean().item(), lengths.max().item())


def log_jacobian_sd(psi: Tensor, inside: Tensor) -> float:
    """Standard deviation of log det D(id + psi) over `inside`, where that determinant is > 0."""
    determinant = qs.jacobian_determinant(psi)[inside]
    return determinant[determinant > 0].log().std(correction=0).item()


def judge_map(displacement: WorldField, inverse: WorldField, inside: np.ndarray) -> dict[str, Any]:
    """Regularity of a displacement on its own grid, and how well `inverse` undoes it.

    inside (X, Y, Z): where to measure the Jacobian and the inverse consistency (mm); folds are
    counted on the whole grid.
    """
    psi = displacement.in_voxels()
    mask = torch.from_numpy(inside)[None, None].to(psi.device)
    folds = count_folds(psi)
    return {
        "folded_voxels": folds.voxels,
        "folded_volume_mm3": folds.volume * abs(np.linalg.det(displacement.grid.affine[:3, :3])),
        "log_jacobian_sd": log_jacobian_sd(psi, mask),
        "inverse_consistency_mm": spread(displacement.then(inverse).vectors, mask).to_json(),
    }


def judge_labels(displacement: WorldField, moving: Image, target: Image) -> dict[str, Any]:
    """Overlap of two label maps before and after, on the target labels' grid.

    The moving labels are warped once, by nearest neighbour. Means are over all non-zero labels of
    the target.
    """
    field = displacement.onto(target.grid)
    identity = WorldField(torch.zeros_like(field.vectors), field.grid)
    spacing = target.grid.spacing
    before, after = (
        score_labels(map_.warp(moving, "nearest").data, target.data, spacing)
        for map_ in (identity, field)
    )
    return {
        "before": mean_scores(before),
        "after": mean_scores(after),
        "labels": [
            {**asdict(score), "overlap_before": old.overlap}
            for score, old in zip(after, before, strict=True)
        ],
    }
