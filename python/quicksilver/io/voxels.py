"""Check the voxels of an image, and make intensities or labels of them."""

from __future__ import annotations

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.images.plane import lay_flat

EXACT = 2.0**63
"""Numbers from here on are no 64-bit labels."""


def check_volumes(
    stored: np.ndarray,
    affine: np.ndarray,
    name: str,
    labels: bool = False,
    *,
    outside: float = 0.0,
    empty: bool = False,
    planar: bool = False,
) -> tuple[np.ndarray, Grid]:
    """Check an array of one or several volumes: an array (X, Y, Z, T) and its grid.

    NaN that reaches the faces of a volume is what was not imaged, and becomes `outside`.

    Args:
        stored: (X, Y, Z) or (X, Y, Z, T); further axes of length one are dropped. Of slices (X, Y),
            (X, Y, 1) or (X, Y, 1, T).
        affine: (4, 4), from array index to RAS millimetres.
        name: What errors call it.
        labels: Whether integer labels are wanted instead of float32 intensities.
        outside: Value of what was not imaged.
        empty: Whether there may be only zeros.
        planar: Whether it may be a slice.

    Raises:
        QuicksilverError: It is not 3-D, not finite, all zero, or holds fractions for labels.
    """
    volumes = stored[..., None] if stored.ndim == 2 and planar else stored
    volumes = volumes[..., None] if volumes.ndim == 3 else volumes
    while volumes.ndim > 4 and volumes.shape[-1] == 1:
        volumes = volumes[..., 0]
    grid = make_grid(volumes.shape, affine, planar) if volumes.ndim == 4 else None
    if grid is None or not volumes.shape[3]:
        raise refuse_shape(stored.shape, name, planar)
    if labels:
        values = _as_labels(name, volumes)
    else:
        with np.errstate(over="ignore"):  # reported as infinity below
            values = _fill_outside(name, volumes.astype(np.float32), outside)
    if not empty and not values.any():
        raise QuicksilverError(
            f"expected an image with non-zero voxels in {name}, found only zeros; check the file"
        )
    return values, grid


def make_grid(shape: tuple[int, ...], affine: np.ndarray, planar: bool) -> Grid | None:
    """Make the grid of an array that begins with (X, Y, Z), or, if `planar`, is (X, Y) or begins
    with (X, Y, 1); None of another.
    """
    x, y, z = (*shape, 1)[:3] if len(shape) > 1 else (0, 0, 0)
    if min(x, y) < 2 or z < 1 or (z == 1 and not planar):
        return None
    return Grid((x, y, z), lay_flat(affine) if z == 1 else affine)


def refuse_shape(shape: tuple[int, ...], name: str, planar: bool) -> QuicksilverError:
    """Return the error for an array that is no image."""
    wanted = "a 3-D or 2-D image" if planar else "a 3-D image"
    given = "one volume or slice" if planar else "one volume"
    return QuicksilverError(f"expected {wanted} in {name}, found the shape {shape}; give {given}")


def _fill_outside(name: str, volumes: np.ndarray, outside: float) -> np.ndarray:
    """Replace NaN that reaches the faces of a volume, in place; refuse what else is not finite."""
    if np.isfinite(volumes).all():
        return volumes
    if np.isnan(volumes).all():
        raise QuicksilverError(f"expected finite values in {name}, found only NaN; check the file")
    for index in range(volumes.shape[3]):
        volume = volumes[..., index]
        volume[_reaches_faces(np.isnan(volume))] = outside
    bad = volumes.size - int(np.isfinite(volumes).sum())
    if bad:
        raise QuicksilverError(
            f"expected finite values inside of what was imaged in {name}, found {bad} voxels with "
            "NaN or infinity; replace them first"
        )
    return volumes


def _reaches_faces(inside: np.ndarray) -> np.ndarray:
    """Find the connected parts of a mask (X, Y, Z) that touch a face of the volume."""
    from scipy.ndimage import label

    parts, count = label(inside)
    touching = np.zeros(count + 1, dtype=bool)
    for axis in np.flatnonzero(np.array(inside.shape) > 1):
        for end in (0, -1):
            touching[np.take(parts, end, axis)] = True
    touching[0] = False
    found: np.ndarray = touching[parts]
    return found


def _as_labels(name: str, volumes: np.ndarray) -> np.ndarray:
    if volumes.dtype.kind in "iu":
        return volumes
    filled = _fill_outside(name, volumes.copy(), 0.0)
    if np.abs(filled).max() >= EXACT:
        raise QuicksilverError(
            f"expected labels of at most 64 bits in {name}, found {np.abs(filled).max():g}; give "
            "a label map"
        )
    whole: np.ndarray = np.rint(filled).astype(np.int64)
    if not np.array_equal(whole, filled):
        raise QuicksilverError(
            f"expected integer labels in {name}, found fractions; give a label map"
        )
    small = np.iinfo(np.int32)
    fits = whole.min() >= small.min and whole.max() <= small.max
    return whole.astype(np.int32) if fits else whole
