"""Options of operators by name, and the core's values for them."""

from __future__ import annotations

from collections.abc import Collection

from . import _core

MODES = {"nearest": _core.Mode.nearest, "linear": _core.Mode.linear, "cubic": _core.Mode.cubic}
PADDINGS = {
    "border": _core.Padding.border,
    "zeros": _core.Padding.zeros,
    "reflect": _core.Padding.reflect,
    "wrap": _core.Padding.wrap,
}
FACES = {"one_sided": _core.Faces.one_sided, "half": _core.Faces.half}


def sampling(mode: str, padding_mode: str) -> _core.Sampling:
    return _core.Sampling(MODES[mode], PADDINGS[padding_mode])


def check_choice(op: str, argument: str, value: object, allowed: Collection[str]) -> None:
    if value not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        raise ValueError(
            f"{op}: {argument}: expected one of {names}, found {value!r}; choose one of these"
        )
