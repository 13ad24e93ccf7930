"""Options of operators by name, and the core's values for them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

from . import _core

MODES = {"nearest": _core.Mode.nearest, "linear": _core.Mode.linear, "cubic": _core.Mode.cubic}
PADDINGS = {
    "border": _core.Padding.border,
    "zeros": _core.Padding.zeros,
    "reflect": _core.Padding.reflect,
    "wrap": _core.Padding.wrap,
}
MOST_VOXELS = 2**40
FACES = {"one_sided": _core.Faces.one_sided, "half": _core.Faces.half}


def sampling(mode: str, padding_mode: str) -> _core.Sampling:
    return _core.Sampling(MODES[mode], PADDINGS[padding_mode])


def check_choice(op: str, argument: str, value: object, allowed: Collection[str]) -> None:
    if not isinstance(value, str) or value not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        raise ValueError(
            f"{op}: {argument}: expected one of {names}, found {value!r}; choose one of these"
        )


def check_integer(
    op: str, argument: str, value: object, least: int = 1, advice: str = "10"
) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
        raise ValueError(
            f"{op}: {argument}: expected an integer >= {least}, found {value!r}; try {advice}"
        )


def check_number(op: str, argument: str, value: object, what: str, advice: str) -> None:
    """Require a finite number that is not negative; what: "a finite number of voxels", say."""
    if (
        not isinstance(value, (int, float))
        or isinstance(value, bool)
        or not (math.isfinite(value) and value >= 0)
    ):
        raise ValueError(f"{op}: {argument}: expected {what} >= 0, found {value!r}; try {advice}")


def check_shape(op: str, shape: Any, dims: int | None = None, least: int = 1) -> list[int]:
    """Require one size for every spatial axis (dims: how many), and return them."""
    sizes = shape.tolist() if hasattr(shape, "tolist") else shape
    sizes = list(sizes) if isinstance(sizes, Iterable) and not isinstance(sizes, str) else []
    numeric = not any(isinstance(n, (float, str, bytes, bool)) or n is None for n in sizes)
    fits = len(sizes) == dims or (dims is None and len(sizes) > 0)
    if not fits or not numeric or min(sizes) < least or math.prod(sizes) > MOST_VOXELS:
        raise ValueError(
            f"{op}: shape: expected {'' if dims is None else f'{dims} '}sizes >= {least}, found "
            f"{shape!r}; give one per axis"
        )
    return sizes
