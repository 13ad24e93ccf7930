"""Tables of the core's fused transforms for a torus, and whether they support it; without torch."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from . import _core
from ._metric import frequencies, symbol_tables


def order(length: int, device: str) -> list[int]:
    """The frequency at each place of a line transformed on a kind of device; empty for a length
    that does not serve.

    Example:
        >>> sorted(order(10, "cpu")), order(11, "cpu")
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [])
    """
    return _core.fluid_order(length, device == "cuda")


LONGEST = {"cpu": 2048, "cuda": 512}
"""The longest line that each kind of device transforms."""


def is_fusable(torus: Sequence[int], device: str) -> bool:
    """Tell whether every size is at most `LONGEST` with factors 2, 3, 5 and 7, the last one even.

    Example:
        >>> is_fusable((240, 200, 196), "cuda"), is_fusable((229, 193, 193), "cuda")
        (True, False)
    """
    longest = LONGEST.get(device, 0)
    return torus[-1] % 2 == 0 and all(n <= longest and order(n, device) for n in torus)


def _count_kept(torus: Sequence[int], band: str) -> tuple[int, int]:
    """Count the frequencies that the spectrum keeps along the middle axis (1 in 2-D) and the last
    one.
    """
    _, *middle, last = map(len, frequencies(torus, band))
    return (*middle, 1)[0], last


def workspace_shape(shape: Sequence[int], torus: Sequence[int], band: str) -> tuple[int, int]:
    """(S_0, complex numbers of a plane of the kept spectrum): rows of whole packets, of 16 at
    most, planes of whole cache lines of a GPU.

    Example:
        >>> workspace_shape((100, 193, 193), (120, 200, 200), "full")
        (100, 22400)
    """
    rows, columns = _count_kept(torus, band)
    columns = _round_up(columns, 16)
    plane = max(rows, *shape[1:-1]) * columns if len(shape) == 3 else columns
    return shape[0], _round_up(plane, 16)


def _round_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def torus_of(torus: Sequence[int], band: str, block_memory: int) -> _core.FluidTorus:
    """block_memory: bytes of shared memory that a block may have."""
    first, *middle, last = torus
    return _core.FluidTorus(first, (*middle, 1)[0], last, *_count_kept(torus, band), block_memory)


def tables(torus: Sequence[int], spacing: Sequence[float], band: str, device: str) -> array[float]:
    """The tables of `_core.fluid`, in double precision, in a line: see csrc/ops/operators.def.

    Example:
        >>> len(tables((4, 6), (1.0, 1.0), "full", "cpu"))  # 2 (4 + 4) + 2 (4 + 6) + 3
        39
    """
    half = torus[-1] // 2
    orders = [*(order(n, device) for n in torus[:-1]), [*order(half, device), half]]
    kept = [set(line) for line in frequencies(torus, band)]
    stored = [orders[0]]  # the first axis is never stored transformed
    stored += [
        [k for k in line if k in some] for line, some in zip(orders[1:], kept[1:], strict=True)
    ]
    numbers = symbol_tables(torus, spacing, stored)
    for place, k in enumerate(stored[0]):
        if k not in kept[0]:
            numbers[place] = 1.0  # no cosine is: a gain of 0
    for n in torus:
        for k in range(n):
            angle = 2 * math.pi * k / n
            numbers.extend((math.cos(angle), -math.sin(angle)))
    places = sorted(range(half), key=orders[-1].__getitem__)
    numbers.extend(places)
    if band == "half":
        for line, some in zip(orders[1:], kept[1:], strict=True):
            numbers.extend(place for place, k in enumerate(line) if k in some)
    return numbers
