"""MINC's linear transforms (.xfm): text with three rows of a matrix."""

from __future__ import annotations

import re

import numpy as np

from quicksilver.io.freesurfer import parse_numbers


def parse_xfm(text: str) -> np.ndarray:
    """Return the affine (4, 4) of an .xfm, from the moving image to the target, RAS millimetres.

    Raises:
        ValueError: There is no such matrix, or there are several transforms or one of a grid.
    """
    kinds = re.findall(r"^\s*Transform_Type\s*=\s*(\w+)", text, re.MULTILINE)
    found = re.search(r"^\s*Linear_Transform\s*=([^;]*);", text, re.MULTILINE)
    if kinds != ["Linear"] or found is None:
        raise ValueError(f"the transforms {', '.join(kinds) or 'none'} of MINC, not one linear one")
    rows = parse_numbers(found[1])
    if rows.shape != (3, 4):
        raise ValueError("no matrix of 3 x 4 numbers")
    return np.vstack([rows, [0, 0, 0, 1]])
