"""The state of a fit in a file, so that a long one may be stopped at any time."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quicksilver.io.files import replacing
from quicksilver.lddmm.lbfgs import Descent

INTERVAL = 60.0
"""Seconds between two states."""


@dataclass(frozen=True)
class Stop:
    """Where a fit was: the level, the energies of those before it, and the state of each descent
    (`Descent.state`)."""

    level: int
    energies: list[list[list[float]]]
    descents: list[tuple[dict[str, Tensor], dict[str, Any]]]


class Saved:
    """The file of one fit's state; with path None there is none.

    tensors, words: all that the fit depends on. A file of another fit is not read but replaced.
    """

    def __init__(self, path: Path | None, tensors: Iterable[Tensor], words: object):
        self.path = path
        self.device = "cpu"
        self.fingerprint = ""
        self.time = time.monotonic()
        if path is not None:
            digest = hashlib.sha256(repr(words).encode())
            for tensor in tensors:
                self.device = str(tensor.device)
                digest.update(repr(tensor.shape).encode())
                digest.update(tensor.detach().cpu().numpy().tobytes())
            self.fingerprint = digest.hexdigest()

    def save(
        self, level: int, energies: list[list[list[float]]], descents: Sequence[Descent]
    ) -> None:
        """Write where the fit is, if the last time was long enough ago."""
        if self.path is None or time.monotonic() - self.time < INTERVAL:
            return
        tensors: dict[str, Tensor] = {}
        numbers = []
        for row, descent in enumerate(descents):
            fields, values = descent.state()
            tensors |= {f"{row}.{name}": field.contiguous() for name, field in fields.items()}
            numbers.append(values)
        about = {"level": level, "energies": energies, "descents": numbers}
        metadata = {"fit": self.fingerprint, "stop": json.dumps(about)}
        with replacing(self.path) as temporary:
            save_file(tensors, temporary, metadata)
        self.time = time.monotonic()

    def load(self) -> Stop | None:
        """Where this very fit was stopped; None if it begins."""
        if self.path is None or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt", device=self.device) as file:
                metadata = file.metadata() or {}
                if metadata.get("fit") != self.fingerprint:
                    return None
                fields = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return None
        about = json.loads(metadata["stop"])
        tensors: list[dict[str, Tensor]] = [{} for _ in about["descents"]]
        for name, field in fields.items():
            row, rest = name.split(".")
            tensors[int(row)][rest] = field
        descents = list(zip(tensors, about["descents"], strict=True))
        return Stop(about["level"], about["energies"], descents)
