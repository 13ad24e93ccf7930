"""The state of a fit in a file, so that a long fit can be stopped at any time."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import require_file
from quicksilver.io.tensors import write_tensors
from quicksilver.lddmm.lbfgs import Descent

INTERVAL = 60.0
"""Seconds between two states."""

HEADER = 1 << 20
"""Bytes in which the names in a checkpoint are looked for."""


@dataclass(frozen=True)
class FitState:
    """Where a fit was stopped.

    Args:
        level: The level.
        energies: Energies of the levels before it, for every pair.
        descents: State of every descent (`Descent.state`).
    """

    level: int
    energies: list[list[list[float]]]
    descents: list[tuple[dict[str, Tensor], dict[str, Any]]]


class Checkpoint:
    """The file of one fit's state; with path None there is none.

    A file of another fit is not read but replaced.

    Args:
        path: The file.
        tensors: Tensors on which the fit depends.
        words: Everything else on which it depends.
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
        """Write the state of the fit if the last time was long enough ago."""
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
        write_tensors(self.path, {k: v.cpu() for k, v in tensors.items()}, metadata)
        self.time = time.monotonic()

    def load(self) -> FitState | None:
        """Read where this very fit was stopped; None if it starts.

        Raises:
            QuicksilverError: In the place of the file is anything but the state of a fit.
        """
        if self.path is None or not self.path.exists():
            return None
        if not _holds_fit(require_file(self.path, "a checkpoint of a fit")):
            raise QuicksilverError(
                f"expected the state of a fit in {self.path}, found another file, in whose place "
                "it would come; choose another --state"
            )
        try:
            with safe_open(self.path, framework="pt", device=self.device) as file:
                metadata = file.metadata() or {}
                if metadata.get("fit") != self.fingerprint:
                    return None
                fields = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return _parse_state(json.loads(metadata["stop"]), fields)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError):
            return None


def _holds_fit(path: Path) -> bool:
    """Tell by its header whether a file may be replaced: it is empty, or holds the state of a fit,
    whole or cut short.
    """
    with path.open("rb") as file:
        head = file.read(HEADER)
    return not head or (b'"fit":' in head and b'"stop":' in head)


def _parse_state(about: dict[str, Any], fields: dict[str, Tensor]) -> FitState:
    tensors: list[dict[str, Tensor]] = [{} for _ in about["descents"]]
    for name, field in fields.items():
        row, rest = name.split(".")
        tensors[int(row)][rest] = field
    descents = list(zip(tensors, about["descents"], strict=True))
    return FitState(about["level"], about["energies"], descents)
