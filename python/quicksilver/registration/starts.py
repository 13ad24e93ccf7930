"""Starts of the search for an affine: matrices from the target's points to the moving image's.

Brains are given by the points (N, 3) that they hold, RAS millimetres.
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
    (centre, _, size), (other, _, its_size) = _find_axes(moving), _find_axes(target)
    return np.stack([np.eye(4), _make_affine_about(size / its_size * np.eye(3), centre, other)])


def from_axes(moving: np.ndarray, target: np.ndarray) -> np.ndarray:
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


def from_parts(
    moving: np.ndarray, target: np.ndarray, directions: Sequence[np.ndarray], prior: Prior
) -> np.ndarray:
    """Return starts (K, 4, 4) of parts of brains, which are cut off along some unit vectors (3,).

    The headers alone; and one part's centre on the other's, or moved along a direction as far as
    the longer of both reaches, in the most plausible size, with the head pitched three ways.
    """
    centre, other = moving.mean(axis=0), target.mean(axis=0)
    stretch = np.diag(np.exp(prior.mean))
    offsets = [np.zeros(3)]
    for direction in directions:
        reach = abs(np.ptp(moving @ direction) - np.ptp(target @ direction)) / 2
        steps = math.ceil(reach / SHIFT)
        offsets += [reach * k / steps * direction for k in range(-steps, steps + 1) if k]
    about = [
        _make_affine_about(_rotate_about_r(degrees) @ stretch, centre + offset, other)
        for offset in offsets
        for degrees in PITCHES
    ]
    return np.stack([np.eye(4), *about])


def _rotate_about_r(degrees: float) -> np.ndarray:
    """Return a rotation (3, 3) about the axis R."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])


def _make_affine_about(linear: np.ndarray, centre: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the affine that takes the point `other` to `centre`."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, centre - linear @ other
    return matrix


def _find_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the centre of a brain, its principal axes in columns, and its size in mm."""
    values, vectors = np.linalg.eigh(np.cov(points.T))
    return points.mean(axis=0), vectors, float(np.prod(values) ** (1 / 6))
