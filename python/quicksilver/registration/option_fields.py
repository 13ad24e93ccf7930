"""Fields of options: how the command line shows them, and the range that their values have.

Nothing heavy is imported: the command line reads this module to print its help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicksilver.errors import QuicksilverError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

STEPS = 1000
"""Time steps of a geodesic at most: many more than any image needs."""

MANY = 100_000
"""Samples, iterations and patches per pass at most."""

PATCH = 15
"""Voxels between patches at most: the edge of one, so that none are left out."""

SEED = 2**63 - 1
"""The largest seed that torch takes."""


def shown(
    help: str,
    kind: Any = None,
    flags: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Mapping[str, Any]:
    """Metadata of a field that the command line shows.

    Args:
        help: One sentence on the option.
        kind: Its type on the command line, where that is not the type of the default.
        flags: Its flags, where they are not made of its name.
        minimum: The smallest value that is accepted.
        maximum: The largest.
    """
    return {"help": help, "kind": kind, "flags": flags, "minimum": minimum, "maximum": maximum}


MODEL = shown(
    "Model file, or a model that ships: default-2mm (the default), default-1mm, quicksilver-2017, "
    "probabilistic.",
    Path | None,
)
DEVICE = shown("auto, cpu, cuda or cuda:N.", str)
REFINE = shown("Iterations of LDDMM that start from the prediction.", minimum=0, maximum=MANY)


def check_ranges(options: DataclassInstance) -> None:
    """Check that the numbers among options, a dataclass whose fields are `shown`, are in range."""
    for each in fields(options):
        if each.metadata and each.metadata["minimum"] is not None:
            _check_range(each.name, getattr(options, each.name), each.metadata)


def _check_range(name: str, value: Any, about: Mapping[str, Any]) -> None:
    """Check that an option, or each of its numbers, is a number in its range; an integer where the
    smallest one is.
    """
    low, high = about["minimum"], about["maximum"]
    kind, named = (Integral, "an integer") if isinstance(low, int) else (Real, "a number")
    for number in value if isinstance(value, tuple | list) else (value,):
        if number is None:
            continue
        if not isinstance(number, kind) or not low <= number <= high:
            raise QuicksilverError(
                f"expected {name} to be {named} from {low:g} to {high:g}, found {number!r}; "
                "choose one of these"
            )
