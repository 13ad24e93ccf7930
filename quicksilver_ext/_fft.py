"""What the fused smoothing of the core needs for a torus, without torch: whether it serves, and its tables."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from . import _core


def order(length: int) -> list[int]:
    """The frequency at each place of a transformed line; empty for a length that does not serve.

    Example:
        >>> order(10), order(11)
        ([0, 5, 1, 6, 2, 7, 3, 8, 4, 9], [])
    """
    return _core.fluid_order(length)


def is_fusable(torus: Sequence[int]) -> bool:
    """Whether every size is at most 512 with factors 2, 3, 5 and 7, and the last one even.

    Example:
        >>> is_fusable((240, 200, 196)), is_fusable((229, 193, 193))
        (True, False)
    """
    return torus[-1] % 2 == 0 and all(order(n) for n in torus)


def workspace_shape(shape: Sequence[int], torus: Sequence[int]) -> tuple[int, int]:
    """(S_0, complex numbers of a plane of the half spectrum), planes beginning at whole cache lines.

    Example:
        >>> workspace_shape((100, 193, 193), (120, 200, 200))
        (100, 20208)
    """
    plane = math.prod(torus[1:-1]) * (torus[-1] // 2 + 1)
    return shape[0], -(-plane // 16) * 16


def tables(torus: Sequence[int], spacing: Sequence[float]) -> array[float]:
    """The tables of `_core.fluid`, in double precision, one after the other: see csrc/ops/fluid.h.

    Example:
        >>> len(tables((4, 6), (1.0, 1.0)))  # 2 (4 + 4) + 2 (4 + 6) + 3
        39
    """
    half = torus[-1] // 2
    orders = [*(order(n) for n in torus[:-1]), [*order(half), half]]
    numbers = array("d")
    for n, frequencies, h in zip(torus, orders, spacing, strict=True):
        numbers.extend((2 * math.cos(2 * math.pi * k / n) - 2) / h**2 for k in frequencies)
    for n, frequencies, h in zip(torus, orders, spacing, strict=True):
        numbers.extend(math.sin(2 * math.pi * k / n) / h for k in frequencies)
    for n in torus:
        for k in range(n):
            angle = 2 * math.pi * k / n
            numbers.extend((math.cos(angle), -math.sin(angle)))
    places = sorted(range(half), key=orders[-1].__getitem__)
    numbers.extend(places)
    return numbers
