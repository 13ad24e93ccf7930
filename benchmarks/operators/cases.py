"""Cases: an operator and its peers on inputs of one kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..measuring.clock import Call, alternate, tensor_bytes
from ..measuring.inputs import QUICKSILVER_SHAPE, Inputs, Shape, words
from ..measuring.place import Place, Record
from .floors import floor_bytes
from .ours import OURS, shoot_plainly, shooting_errors
from .peers import PEERS, MissingPeerError

BRAIN = (160, 192, 160)
"""A skull-stripped head at 1 mm."""

ALIKE = {"warp", "warp backward", "exponential", "resize", "shoot"}
"""Operators whose peers compute the same thing; VoxelMorph's transformer has another border."""
ALONE = {"SciPy map_coordinates", "SimpleITK Resample", "SciPy fft"}
"""Peers that take seconds, measured at one size."""


@dataclass(frozen=True)
class Case:
    """An operator, or its backward pass, on inputs of one kind.

    threads: of torch; all of them where None.
    """

    operator: str
    shape: Shape = BRAIN
    channels: int = 3
    batch: int = 1
    dtype: torch.dtype = torch.float32
    steps: int = 10
    threads: int | None = None

    @property
    def name(self) -> str:
        parts = [f"{self.operator}, {words(self.shape)}"]
        if self.channels != 3:
            parts.append(f"{self.channels} channel" + ("s" if self.channels > 1 else ""))
        if self.batch > 1:
            parts.append(f"batch {self.batch}")
        if self.dtype != torch.float32:
            parts.append(str(self.dtype).removeprefix("torch."))
        if "shoot" in self.operator:
            parts.append(f"{self.steps} steps")
        if self.threads is not None:
            parts.append(f"{self.threads} thread" + ("s" if self.threads > 1 else ""))
        return ", ".join(parts)

    def measure(self, place: Place) -> Record:
        """Seconds, ratios, memory and counted bytes; peers that are missing, and why."""
        inputs = self._inputs(place)
        with _threads(self.threads):
            calls, missing = self._calls(inputs)
            measured = alternate(place.device, calls, inputs.rotation, place.budget, place.runs)
        voxels, dims = self.batch * math.prod(inputs.shape), len(inputs.shape)
        return {
            "operator": self.operator,
            "shape": list(inputs.shape),
            "voxels": voxels,
            "batch": self.batch,
            "channels": self.channels,
            "dtype": str(self.dtype).removeprefix("torch."),
            "steps": self.steps,
            "threads": self.threads or torch.get_num_threads(),
            "input_sets": inputs.rotation,
            "bytes": floor_bytes(self.operator, voxels, dims, self.channels, self.steps),
            "vector_field_bytes": 4 * dims * voxels,
            "measured": measured,
            "missing": missing,
            "largest_difference": differences(calls) if self.operator in ALIKE else {},
            "error_voxels": self._errors(inputs),
            "tensor_bytes": self._tensor_bytes(calls["quicksilver"]),
        }

    def _inputs(self, place: Place) -> Inputs:
        shape, backward = place.shape(self.shape), self.operator == "warp backward"
        where = (place.device, shape, self.channels, self.batch, self.dtype, backward)
        return Inputs(*where, steps=self.steps)

    def _calls(self, inputs: Inputs) -> tuple[dict[str, Call], dict[str, str]]:
        calls, missing = {"quicksilver": OURS[self.operator](inputs)}, {}
        for name, peer in self._peers().items():
            try:
                calls[name] = peer(inputs)
            except MissingPeerError as reason:
                missing[name] = str(reason)
        return calls, missing

    def _peers(self) -> dict[str, Callable[[Inputs], Call]]:
        if self._is_judged_for_error():
            return {"plain torch RK4": shoot_plainly}
        peers = PEERS.get(self.operator, {}) if self.threads is None else {}
        return {n: p for n, p in peers.items() if n not in ALONE or self == Case(self.operator)}

    def _is_judged_for_error(self) -> bool:
        return self == Case("shoot", SHOOTING)

    def _errors(self, inputs: Inputs) -> dict[str, float]:
        return shooting_errors(inputs) if self._is_judged_for_error() else {}

    def _tensor_bytes(self, call: Call) -> int | None:
        """Measure what the aim for the memory of the backward pass is judged by."""
        counted = self.shape == SHOOTING and self.operator in ("sharp", "shoot backward")
        return tensor_bytes(call) if counted else None


SHOOTING = (96, 96, 96)
AT_2_MM = (96, 112, 96)

AIMS = [
    Case("copy", QUICKSILVER_SHAPE),
    Case("warp", QUICKSILVER_SHAPE, channels=1),
    Case("warp", QUICKSILVER_SHAPE),
    *(Case("sharp", shape) for shape in ((128,) * 3, (192,) * 3, QUICKSILVER_SHAPE)),
    Case("shoot padded", QUICKSILVER_SHAPE),
    Case("shoot padded linear", QUICKSILVER_SHAPE),
]
"""What a GPU is judged by, and so measured first on one."""

WHOLE = [
    *(Case("predict", shape, channels=1) for shape in (AT_2_MM, QUICKSILVER_SHAPE)),
    *(Case("shoot padded", AT_2_MM, batch=batch) for batch in (1, 2, 8)),
]
"""A registration's work on a GPU: networks and shooting, and batches of pairs."""


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def differences(calls: dict[str, Call]) -> dict[str, float]:
    """Find the largest difference between our result and each peer's, where both are arrays of one
    shape, to show that they compute the same. Of a backward pass that of the first gradient.
    """
    ours, *others = [(name, _array(call(0))) for name, call in calls.items()]
    return {
        name: (found.reshape(ours[1].shape) - ours[1]).abs().max().item()
        for name, found in others
        if name != "VoxelMorph SpatialTransformer"
        and found is not None
        and ours[1] is not None
        and found.numel() == ours[1].numel()
    }


def _array(result: Any) -> Tensor | None:
    first = result[0] if isinstance(result, (tuple, list)) else result
    if isinstance(first, np.ndarray):
        first = torch.from_numpy(first)
    return first.detach().float() if isinstance(first, Tensor) else None


def thread_counts() -> list[int]:
    """1, 2, 4 ... up to torch's."""
    most = torch.get_num_threads()
    return [1 << n for n in range(most.bit_length()) if 1 << n <= most]


def cases(device: torch.device, small: bool = False) -> list[Case]:
    """List all cases, first those that others are judged by; small: a GPU's on a CPU as well."""
    cubes = [(n,) * 3 for n in (32, 64, 128)]
    sizes = [*cubes, QUICKSILVER_SHAPE, (256,) * 3]
    found = [Case("copy")]
    apart = ("copy", "predict")
    found += [
        Case(operator) for operator in OURS if "shoot" not in operator and operator not in apart
    ]
    found += [Case("warp", channels=1), Case("warp", dtype=torch.bfloat16)]
    found += [Case(operator, (1024, 1024), 2) for operator in ("warp", "warp backward", "sharp")]
    found += [Case(operator, shape) for operator in ("warp", "sharp") for shape in sizes]
    found += [Case("warp backward", shape) for shape in cubes]
    found += [Case(o, cubes[1], batch=n) for o in ("warp", "sharp") for n in (2, 4, 8)]
    found += [Case("shoot", SHOOTING, steps=steps) for steps in (10, 5, 20)]
    found += [Case("shoot", shape) for shape in cubes]
    found += [Case("sharp", SHOOTING)]  # whose workspace is not counted in what follows
    found += [Case("shoot backward", SHOOTING, steps=steps) for steps in (5, 10, 16)]
    on_gpu = [*AIMS, Case("shoot", QUICKSILVER_SHAPE), Case("copy", (512,) * 3, 1), *WHOLE]
    if device.type == "cuda":
        return list(dict.fromkeys((*AIMS, *found, *on_gpu)))
    found += [
        Case(operator, shape, threads=threads)
        for operator, shape in (("warp", cubes[2]), ("sharp", cubes[2]), ("shoot", cubes[1]))
        for threads in thread_counts()
    ]
    return list(dict.fromkeys((*found, *on_gpu))) if small else found
