"""Starts of the search for an affine: matrices from the target's points to the moving image's.

Brains are given by the points (N, 3) that they hold, RAS millimetres; those of slices lie at S = 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from quicksilver.registration.affine_prior import Prior

SHIFT = 15.0  # mm, at most, between neighbouring starts of a part of a brain
PITCHES = (0.0, -15.0, 15.0)  # degrees about the axis R: heads are pitched more than turned


def from_headers(moving: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return starts (2, 4, 4): the headers alone, and one brain's centre and size on the other."""
    (centre, axes, size), (other, _, its_size) = _find_axes(moving), _find_axes(target)
    linear = size / its_size * np.eye(len(axes))
    return np.stack([np.eye(4), _make_affine_about(linear, centre, other)])


def from_axes(moving: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return starts (48, 4, 4), of slices (8, 4, 4): one brain's principal axes on the other's, in
    every order and direction.
    """
    (centre, axes, size), (other, its_axes, its_size) = _find_axes(moving), _find_axes(target)
    dims = len(axes)
    turns = [
        np.eye(dims)[list(order)] * signs
        for order in itertools.permutations(range(dims))
        for signs in itertools.product((1, -1), repeat=dims)
    ]
    linear = [size / its_size * axes @ turn @ its_axes.T for turn in turns]
    return np.stack([_make_affine_about(one, centre, other) for one in linear])


def from_parts(
    moving: np.ndarray,
    target: np.ndarray,
    directions: Sequence[np.ndarray],
    prior: Prior,
    scale: float = 1.0,
) -> np.ndarray:
    """Return starts (K, 4, 4) of parts of brains, which are cut off along some unit vectors (3,).

    The headers alone; and one part's centre on the other's, or moved along a direction as far as
    the longer of both reaches, in the most plausible size, with the head pitched (a slice turned)
    three ways; `scale` is that of the grid on which the target lies.
    """
    turn = _rotate_in_plane if _is_flat(target) else _rotate_about_r
    centre, other = moving.mean(axis=0), target.mean(axis=0)
    stretch = np.diag(np.exp(prior.mean))
    offsets = [np.zeros(3)]
    for direction in directions:
        reach = abs(np.ptp(moving @ direction) - np.ptp(target @ direction)) / 2
        steps = math.ceil(reach / (SHIFT * scale))
        offsets += [reach * k / steps * direction for k in range(-steps, steps + 1) if k]
    about = [
        _make_affine_about(turn(degrees) @ stretch, centre + offset, other)
        for offset in offsets
        for degrees in PITCHES
    ]
    return np.stack([np.eye(4), *about])


def _rotate_about_r(degrees: float) -> np.ndarray:
    """Return a rotation (3, 3) about the axis R."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])


def _rotate_in_plane(degrees: float) -> np.ndarray:
    """Return a rotation (3, 3) about the axis S."""
    return np.roll(_rotate_about_r(degrees), (2, 2), axis=(0, 1))


def _make_affine_about(linear: np.ndarray, centre: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the affine that takes the point `other` to `centre`, by a matrix (3, 3), or (2, 2) of
    slices.
    """
    matrix, dims = np.eye(4), len(linear)
    matrix[:dims, :dims] = linear
    matrix[:3, 3] = centre - matrix[:3, :3] @ other
    return matrix


def _is_flat(points: np.ndarray) -> bool:
    """Tell whether points are those of a slice."""
    return not points[:, 2].any()


def _find_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the centre of a brain, its principal axes in columns (two of a slice), and its size in
    mm.
    """
    dims = 2 if _is_flat(points) else 3
    values, vectors = np.linalg.eigh(np.cov(points[:, :dims].T))
    return points.mean(axis=0), vectors, float(np.prod(values) ** (1 / (2 * dims)))
