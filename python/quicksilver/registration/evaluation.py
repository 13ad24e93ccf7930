"""Judge a registration: overlap of labels, distances of their surfaces, regularity of the map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.image import Image
from quicksilver.images.plane import flatten, require_alike
from quicksilver.io.records import Record
from quicksilver.transforms.field import WorldField
from quicksilver.transforms.folds import count_folds

PERCENTILES = (0.3, 5.0, 25.0, 50.0, 75.0, 95.0, 99.7)
"""Those of the deformation errors of the Quicksilver paper."""


@dataclass(frozen=True)
class LabelScore:
    """Scores of one label of the target.

    Args:
        label: The label.
        overlap: |warped and target| / |target|.
        dice: Dice coefficient.
        hd95_mm: 95th percentile of the distances between the surfaces; None: the label was lost.
    """

    label: int
    overlap: float
    dice: float
    hd95_mm: float | None


def score_labels(warped: np.ndarray, target: np.ndarray, spacing: np.ndarray) -> list[LabelScore]:
    """Score every non-zero label of the target.

    Args:
        warped: Labels (X, Y, Z), or (X, Y), that were warped.
        target: Labels on the same grid.
        spacing: Of the grid along each axis, in mm.

    Example:
        >>> cube = np.zeros((9, 9, 9), int)
        >>> cube[2:6, 2:6, 2:6] = 7
        >>> score_labels(np.roll(cube, 1, axis=0), cube, np.ones(3))
        [LabelScore(label=7, overlap=0.75, dice=0.75, hd95_mm=1.0)]
    """
    from scipy.ndimage import find_objects

    labels = np.unique(target)
    labels = labels[labels != 0]
    ours, theirs = _rank_labels(warped, labels), _rank_labels(target, labels)
    sizes = np.bincount(ours.ravel(), minlength=len(labels) + 1)
    target_sizes = np.bincount(theirs.ravel(), minlength=len(labels) + 1)
    common = np.bincount(theirs[ours == theirs], minlength=len(labels) + 1)
    boxes = [find_objects(ranks, max_label=len(labels)) for ranks in (ours, theirs)]
    scores = []
    for rank, label in enumerate(labels, start=1):
        distance = None
        if sizes[rank]:
            box = _join_boxes(boxes[0][rank - 1], boxes[1][rank - 1])
            distance = _measure_hd95(ours[box] == rank, theirs[box] == rank, spacing)
        overlap = common[rank] / target_sizes[rank]
        dice = 2 * common[rank] / (sizes[rank] + target_sizes[rank])
        scores.append(LabelScore(int(label), float(overlap), float(dice), distance))
    return scores


def measure_overlap(warped: np.ndarray, target: np.ndarray) -> float:
    """Average |warped and target| / |target| over the non-zero labels of the target; both (X, Y,
    Z).

    Example:
        >>> measure_overlap(np.array([[[1, 2, 2]]]), np.array([[[1, 2, 0]]]))
        1.0
    """
    labels = np.unique(target)
    ranks = _rank_labels(target, labels[labels != 0])
    sizes = np.bincount(ranks.ravel())[1:]
    common = np.bincount(ranks[warped == target], minlength=len(sizes) + 1)[1:]
    return float(np.mean(common / sizes))


def _rank_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the place of every value in `labels`, counted from 1; 0 for other values."""
    place = np.searchsorted(labels, values).clip(max=max(len(labels) - 1, 0))
    return np.where(labels[place] == values, place + 1, 0)


def _join_boxes(first: tuple[slice, ...], second: tuple[slice, ...]) -> tuple[slice, ...]:
    """Return the smallest box around two boxes."""
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )


def _measure_hd95(first: np.ndarray, second: np.ndarray, spacing: np.ndarray) -> float:
    """Return the larger of the 95th percentiles of the distances from each surface to the other, in
    mm.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    surfaces = [inside & ~binary_erosion(inside, border_value=0) for inside in (first, second)]
    to_surface = [distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return max(
        float(np.percentile(to_surface[1][surfaces[0]], 95)),
        float(np.percentile(to_surface[0][surfaces[1]], 95)),
    )


def average_scores(scores: list[LabelScore]) -> dict[str, float | None]:
    """Average scores over labels; the surface distance over the labels that have one."""
    distances = [score.hd95_mm for score in scores if score.hd95_mm is not None]
    return {
        "overlap": float(np.mean([score.overlap for score in scores])),
        "dice": float(np.mean([score.dice for score in scores])),
        "hd95_mm": float(np.mean(distances)) if distances else None,
    }


@dataclass(frozen=True)
class Spread(Record):
    """Median, mean and maximum of some lengths."""

    median: float
    mean: float
    max: float


def measure_inverse_consistency(psi: Tensor, phi: Tensor, inside: Tensor) -> Spread:
    """Measure the lengths of psi + phi o (id + psi), in voxels.

    Args:
        psi: (1, 3, X, Y, Z), in voxels; continued by its border values.
        phi: The displacement that should undo it.
        inside: (1, 1, X, Y, Z), where to measure.
    """
    return measure_spread(qs.compose(phi, psi), inside)


def measure_spread(vectors: Tensor, inside: Tensor) -> Spread:
    """Measure the spread of the lengths of vectors (1, 3, X, Y, Z) where `inside` is true."""
    lengths = vectors.square().sum(dim=1, keepdim=True)[inside].sqrt()
    return Spread(lengths.median().item(), lengths.mean().item(), lengths.max().item())


def measure_log_jacobian_sd(psi: Tensor, inside: Tensor) -> float:
    """Return the standard deviation of log det D(id + psi) over `inside`, where the determinant is
    > 0.
    """
    determinant = qs.jacobian_determinant(psi)[inside]
    return determinant[determinant > 0].log().std(correction=0).item()


def measure_distances(
    displacement: WorldField, reference: WorldField, inside: np.ndarray
) -> np.ndarray:
    """Measure how far from each other two maps lead the voxels of a mask, in mm.

    Args:
        displacement: The map.
        reference: The map to compare with, on any grid; continued by its border values.
        inside: (X, Y, Z) on the grid of `displacement`, where to measure.

    Returns:
        (N,), one distance a voxel.
    """
    difference = displacement.vectors - reference.onto(displacement.grid).vectors
    lengths = difference.square().sum(dim=1)[0].sqrt()
    return np.asarray(lengths[torch.from_numpy(inside)])


def judge_difference(
    displacement: WorldField, reference: WorldField, inside: np.ndarray
) -> dict[str, float]:
    """Return the percentiles of `measure_distances` by their names, as "99.7".

    Example:
        >>> from quicksilver.images.image import Grid
        >>> still = WorldField.identity(Grid((3, 3, 3), np.eye(4)))
        >>> judge_difference(still, still, np.ones((3, 3, 3), bool))["50"]
        0.0
    """
    require_alike(displacement.grid, reference.grid, ("the registered images", "the other map"))
    values = np.percentile(measure_distances(displacement, reference, inside), PERCENTILES)
    return {f"{p:g}": float(value) for p, value in zip(PERCENTILES, values, strict=True)}


def judge_map(displacement: WorldField, inverse: WorldField, inside: np.ndarray) -> dict[str, Any]:
    """Measure the regularity of a displacement on its own grid, and how well `inverse` undoes it.

    Folds are counted on the whole grid.

    Args:
        displacement: The map.
        inverse: The map that should undo it.
        inside: (X, Y, Z), where to measure the Jacobian and the inverse consistency (mm).
    """
    psi = displacement.in_voxels()
    mask = torch.from_numpy(inside)[None, None].to(psi.device)
    folds = count_folds(flatten(psi))
    return {
        "folded_voxels": folds.voxels,
        "folded_volume_mm3": folds.volume * displacement.grid.voxel_volume,
        "log_jacobian_sd": measure_log_jacobian_sd(psi, mask),
        "inverse_consistency_mm": measure_spread(
            displacement.then(inverse).vectors, mask
        ).to_json(),
    }


def judge_labels(displacement: WorldField, moving: Image, target: Image) -> dict[str, Any]:
    """Measure the overlap of two label maps before and after, on the target labels' grid.

    The moving labels are warped once, by nearest neighbour.

    Args:
        displacement: The map.
        moving: Labels of the moving image.
        target: Labels of the target.

    Returns:
        Means over all non-zero labels of the target, `before` and `after`, and the scores of
        `labels`.

    Raises:
        QuicksilverError: Slices were registered, and labels are of volumes, or the other way round.
    """
    for labels in (moving, target):
        require_alike(displacement.grid, labels.grid, ("the registered images", "the labels"))
    field = displacement.onto(target.grid)
    identity = WorldField(torch.zeros_like(field.vectors), field.grid)
    grid, plane = target.grid, (..., 0) if target.grid.planar else ...
    before, after = (
        score_labels(
            map_.warp(moving, "nearest").data[plane], target.data[plane], grid.spacing[: grid.dims]
        )
        for map_ in (identity, field)
    )
    return {
        "before": average_scores(before),
        "after": average_scores(after),
        "labels": [
            {**asdict(score), "overlap_before": old.overlap}
            for score, old in zip(after, before, strict=True)
        ],
    }
