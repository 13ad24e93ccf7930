"""What the header of a NIfTI file says beside its array: where it lies, and what it is about."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

FARTHEST = 1e6  # mm; of an origin, or of a voxel's neighbour

PLUMB = 1 - 1e-5
"""Cosine from which an axis is one of the world's: a quarter of a degree."""

AGREEMENT = 0.1
"""Millimetres up to which a sform and a qform say the same."""

KEPT = (
    "descrip",
    "aux_file",
    "intent_code",
    "intent_name",
    "intent_p1",
    "intent_p2",
    "intent_p3",
    "cal_min",
    "cal_max",
    "toffset",
)
"""Entries that stay true when an image is resampled. The order and times of its slices do not: a
slice of the result is made of several."""


MILLIMETRES = {1: 1e3, 3: 1e-3}
"""Of a unit of length by its NIfTI code: metres and microns. What names none is taken as mm."""


def choose_affine(file: Any) -> np.ndarray:
    """Return the affine of a nibabel image, in mm: its sform, or the qform where the sform is
    unusable.
    """
    header = file.header
    sform, code = header.get_sform(coded=True)
    unusable = code and is_singular(sform) and header["qform_code"] > 0
    affine = np.array(header.get_qform() if unusable else file.affine, dtype=np.float64)
    affine[:3] *= find_unit(header)
    return affine


def find_unit(header: Any) -> float:
    """Return the millimetres of a header's unit of length."""
    return MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)


def describe_disagreement(file: Any) -> str | None:
    """Say by how much the sform and the qform of a nibabel image disagree; None: they do not."""
    header = file.header
    (sform, _), (qform, _) = header.get_sform(coded=True), header.get_qform(coded=True)
    if sform is None or qform is None or is_singular(sform) or is_singular(qform):
        return None
    sizes = (*file.shape, 1)[:3]  # a slice may have two axes
    ends = itertools.product(*((0, size - 1) for size in sizes))
    corners = np.array([[*end, 1] for end in ends], dtype=float)
    apart = find_unit(header) * np.linalg.norm(corners @ (sform - qform).T, axis=1).max()
    if apart <= AGREEMENT:
        return None
    return (
        f"its sform and its qform disagree by up to {apart:.1f} mm: the sform is followed here, "
        "the qform by ITK and ANTs"
    )


def is_singular(affine: np.ndarray) -> bool:
    """Tell whether the axes do not span space, or lengths or origin are those of no image."""
    if not np.abs(affine).max() < FARTHEST:  # so that NaN is, too
        return True
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return lengths.min() < 1 / FARTHEST or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-4


def is_oblique(affine: np.ndarray) -> bool:
    """Tell whether the axes of a grid are not those of the world."""
    directions = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(directions.max(axis=0).min() < PLUMB)


def is_affine(matrix: np.ndarray) -> bool:
    """Tell whether the last row of a matrix (4, 4) is 0 0 0 1."""
    return bool(np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6))


def keep_entries(header: Any, source: Any) -> None:
    """Copy into a header of a resampled image what another header says that is still true."""
    for name in KEPT:
        header[name] = source[name]
    if len(source.get_zooms()) > 3 and len(header.get_zooms()) > 3:
        header.set_zooms(
            (*header.get_zooms()[:3], *source.get_zooms()[3 : len(header.get_zooms())])
        )
    header.set_xyzt_units("mm", source.get_xyzt_units()[1])
