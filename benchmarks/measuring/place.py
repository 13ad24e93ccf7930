"""Where a case is measured, and the form of what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .inputs import Shape

Record = dict[str, Any]
"""What was measured of a case, as it lies in the JSON file."""


@dataclass(frozen=True)
class Place:
    """Where cases are measured. small: tiny fields, which show that everything runs and mean nothing
    else. budget: seconds for the runs of a case."""

    device: torch.device
    small: bool = False
    budget: float = 3.0

    @property
    def runs(self) -> tuple[int, int]:
        return (2, 3) if self.small else (3, 15)

    def shape(self, shape: Shape) -> Shape:
        return tuple(max(n // 12, 16) for n in shape) if self.small else shape
