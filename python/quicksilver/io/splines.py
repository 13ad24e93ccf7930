"""B-spline transforms of ITK, sampled by ITK on a grid."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quicksilver.images.image import Grid
from quicksilver.io.itk import describe_grid

NAME = "BSplineTransform"
HEAD = b"#Insight Transform File"

TEXT = re.compile(
    rb"^Transform: BSplineTransform\S*_(\d)_\d[^\n]*\n"
    rb"Parameters:([^\n]*)\nFixedParameters:([^\n]*)",
    re.MULTILINE,
)

ORDER = 3
"""Of the splines that are read, ITK's usual one: of others the name says it."""

FINER = 8
"""How much finer than the control points a spline is sampled where no grid is given: linear
interpolation then errs by less than half a percent of the largest displacement."""

LARGEST = 1 << 24
"""Voxels of such a grid at most; a coarser one is taken."""

CONTROL = 1 << 24
"""Control points at most."""

LARGEST_TEXT = 1 << 27
"""Bytes of a text at most: some millions of numbers."""


def are_in(path: Path) -> bool:
    """Tell whether a file holds a text of ITK's transforms with a spline among them."""
    if path.stat().st_size > LARGEST_TEXT:
        return False
    with path.open("rb") as file:
        text = file.read(len(HEAD)) == HEAD
        return text and any(line.startswith(b"Transform: " + NAME.encode()) for line in file)


def check_spline(count: int, fixed: Sequence[float], dims: int) -> None:
    """Check that a spline has the parameters that its control points need.

    Args:
        count: Number of its parameters.
        fixed: Its fixed parameters: size, origin, spacing and direction of the control points.
        dims: Number of dimensions.

    Raises:
        ValueError: It has others.
    """
    if len(fixed) != dims * (3 + dims) or not np.isfinite(fixed).all():
        raise ValueError(f"{len(fixed)} fixed parameters, where {NAME} has {dims * (3 + dims)}")
    sizes = fixed[:dims]
    if not all(ORDER < size < CONTROL and size == int(size) for size in sizes):
        raise ValueError(f"{NAME} of {' x '.join(f'{size:g}' for size in sizes)} control points")
    wanted = dims * math.prod(int(size) for size in sizes)
    if count != wanted or wanted > dims * CONTROL:
        raise ValueError(f"{count} parameters, where this {NAME} has {wanted}")


def check_text(content: bytes) -> None:
    """Check the splines in the text of a file of transforms.

    Raises:
        ValueError: One of them is no whole spline of third order.
    """
    found = TEXT.findall(content)
    if len(found) != content.count(b"\nTransform: " + NAME.encode()):
        raise ValueError(f"a {NAME} without parameters")
    for dims, parameters, fixed in found:
        numbers = [float(word) for word in fixed.split()]
        check_spline(len(parameters.split()), numbers, int(dims))


def sample_spline(transform: Any, grid: Grid | None) -> Any:
    """Sample a spline as an image of displacements of SimpleITK.

    Args:
        transform: A transform of SimpleITK.
        grid: The grid; None: one of its own over its region, with a rim of voxels beyond it,
            where the spline moves nothing.

    Raises:
        ValueError: The spline is of another order than the third.
    """
    import SimpleITK as sitk

    spline = sitk.BSplineTransform(transform)
    if spline.GetOrder() != ORDER:
        raise ValueError(f"a {NAME} of order {spline.GetOrder()}")
    size, origin, spacing, direction = describe_grid(grid) if grid else _surround(spline)
    to_field = sitk.TransformToDisplacementFieldFilter()
    to_field.SetSize(size)
    to_field.SetOutputOrigin(origin)
    to_field.SetOutputSpacing(spacing)
    to_field.SetOutputDirection(direction)
    return to_field.Execute(spline)


def _surround(spline: Any) -> tuple[list[int], list[float], list[float], list[float]]:
    """Return where a grid lies over the region of a spline, with a voxel beyond it on each side."""
    lengths = np.array(spline.GetTransformDomainPhysicalDimensions())
    cells = np.array(spline.GetTransformDomainMeshSize())
    finer = min(FINER, (LARGEST / math.prod(cells)) ** (1 / len(cells)))
    steps = np.maximum(np.ceil(cells * finer), 1).astype(int)
    spacing = lengths / steps
    direction = np.reshape(spline.GetTransformDomainDirection(), (len(cells), len(cells)))
    origin = np.array(spline.GetTransformDomainOrigin()) - direction @ spacing
    return (steps + 3).tolist(), origin.tolist(), spacing.tolist(), direction.ravel().tolist()
