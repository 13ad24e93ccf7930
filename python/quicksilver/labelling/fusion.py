"""Fuse the labels of several atlases into one label map, voxel by voxel.

Every atlas has been warped to the image and proposes a label for each voxel. A voxel's label is the
one with the largest sum of weights. By majority all weights are 1. Joint label fusion (Wang et al.,
IEEE TPAMI 35(3), 2013) chooses the weights w, sum(w) = 1, that make the expected error of the vote
least, w' M w, where M_ij estimates how likely atlases i and j err together:

    M_ij(x) = (mean over the patch of x of |F_i - F| |F_j - F|)^BETA
    w = v / sum(v),  v = (M + ALPHA s I)^-1 1

with intensities F in units of local contrast and s the mean of M's diagonal. So an atlas counts the
less the less it looks like the image there, and two that err alike share one vote. Unlike the
authors' program, this one searches no neighbouring patches: the atlases' maps are deformable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from quicksilver.images.filters import average
from quicksilver.images.intensity import normalise

Fusion = Literal["joint", "majority"]
"""How labels are fused."""

PATCH = 2.0
"""Millimetres from the centre of a patch to its outermost voxels."""

CONTRAST = 10.0
"""Millimetres likewise for the boxes in which contrast is normalised."""

NOISE = 0.03
"""Standard deviation, on the normalised scale, that counts as no contrast."""

ALPHA = 1.0
"""Added to the diagonal of M, in parts of its mean: what the images cannot tell of errors
(docs/label.md)."""

BETA = 2
"""Power of the products: the larger, the more the best atlas counts."""

CHUNK = 1 << 18
"""Voxels whose weights are computed at once."""


def fuse_labels(candidates: Tensor, weights: Tensor) -> Tensor:
    """Return each voxel's label with the largest sum of weights; of equal ones, the first atlas's.

    Args:
        candidates: Labels (A, N) of A atlases.
        weights: (A, N) or (A, 1).

    Example:
        >>> fuse_labels(torch.tensor([[1, 1], [2, 2], [2, 3]]), torch.ones(3, 1))
        tensor([2, 1])
    """
    votes = torch.stack([((candidates == own) * weights).sum(0) for own in candidates])
    return candidates.gather(0, votes.argmax(0)[None])[0]


def fuse_by_majority(candidates: Tensor) -> Tensor:
    """Fuse labels (A, X, Y, Z), with equal weights; a tie goes to the atlas that comes first."""
    fused = fuse_labels(candidates.flatten(1), torch.ones(len(candidates), 1))
    return fused.view(candidates.shape[1:])


def fuse_jointly(
    candidates: Tensor, atlases: Sequence[Tensor], image: Tensor, spacing: float = 1.0
) -> Tensor:
    """Fuse labels by the joint weights of what looks like the image.

    Args:
        candidates: Labels (A, X, Y, Z), warped to the image.
        atlases: Intensities of the atlases, (X, Y, Z) each, warped to the image; background 0.
        image: Intensities (X, Y, Z) of the image; background 0.
        spacing: Voxel size in mm.
    """
    where = (candidates != candidates[0]).any(0)
    fused = candidates[0].clone()
    theirs = _normalise_locally(image, spacing)
    differences = [(_normalise_locally(atlas, spacing) - theirs).abs() for atlas in atlases]
    count = len(differences)
    errors = torch.empty(int(where.sum()), count, count)
    for i in range(count):
        for j in range(i + 1):
            product = average(
                (differences[i] * differences[j])[None, None], _count_voxels(PATCH, spacing)
            )
            errors[:, i, j] = errors[:, j, i] = product[0, 0][where] ** BETA
    parts = zip(errors.split(CHUNK), candidates[:, where].split(CHUNK, 1), strict=True)
    chosen = [fuse_labels(labels, find_joint_weights(some).T) for some, labels in parts]
    fused[where] = torch.cat([*chosen, fused.new_empty(0)])
    return fused


def find_joint_weights(errors: Tensor) -> Tensor:
    """Find the weights (N, A) that make w' M w least for matrices M (N, A, A).

    Example:
        >>> find_joint_weights(torch.diag(torch.tensor([1.0, 3.0]))[None]).round(decimals=2)
        tensor([[0.6200, 0.3800]])
    """
    count = errors.shape[-1]
    mean = errors.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    system = errors / mean[:, None, None] + ALPHA * torch.eye(count)
    weights = torch.linalg.solve(system, torch.ones(count, 1))[..., 0]
    return weights / weights.sum(1, keepdim=True)


def _count_voxels(length: float, spacing: float) -> int:
    """Return how many voxels are nearest to a length in mm, at least one."""
    return max(1, round(length / spacing))


def _normalise_locally(image: Tensor, spacing: float) -> Tensor:
    """Return the local contrast (X, Y, Z) of an image of the same shape."""
    scaled, reach = normalise(image)[None, None], _count_voxels(CONTRAST, spacing)
    mean, squares = (average(each, reach) for each in (scaled, scaled * scaled))
    variance = (squares - mean * mean).clamp(min=0)
    return ((scaled - mean) / (variance + NOISE**2).sqrt())[0, 0]
