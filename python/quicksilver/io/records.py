"""Frozen dataclasses that know how they are written in JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Record:
    """A dataclass whose fields, by their names, are entries of a JSON object.

    >>> @dataclass(frozen=True)
    ... class Size(Record):
    ...     voxels: int
    ...     spacing: float | None = None
    >>> Size(3).to_json()
    {'voxels': 3}
    """

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not None, as plain values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a value as words, numbers, sequences and dictionaries."""
    if isinstance(value, Record):
        return value.to_json()
    if callable(value):
        return getattr(value, "__qualname__", repr(value))
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist() if isinstance(value, np.ndarray) else value
