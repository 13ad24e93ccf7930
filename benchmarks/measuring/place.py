"""The place where a case is measured, and the record of its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .inputs import Shape

Record = dict[str, Any]
"""The figures of a case, as in the JSON file."""


@dataclass(frozen=True)
class Place:
    """A device and how to measure on it. small: tiny fields, which only show that everything runs.
    budget: seconds for the runs of a case."""

    device: torch.device
    small: bool = False
    budget: float = 3.0

    @property
    def runs(self) -> tuple[int, int]:
        return (2, 3) if self.small else (3, 15)

    def shape(self, shape: Shape) -> Shape:
        return tuple(max(n // 12, 16) for n in shape) if self.small else shape
