"""The parameters of the fluid metric, without torch."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from . import _core


def smooth_size(n: int) -> int:
    """The smallest size >= n with no prime factor above 5: those that FFTs like.

    Example:
        >>> smooth_size(229), smooth_size(193)
        (240, 200)
    """
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


def frequencies(torus: Sequence[int], band: str) -> list[list[int]]:
    """List the frequencies that a band keeps along each axis of a real field's spectrum, whose last
    axis has half of them.

    The half band keeps what is below half of Nyquist: k of n where min(k, n - k) < n / 4.

    Example:
        >>> frequencies((9, 10), "half")
        [[0, 1, 2, 7, 8], [0, 1, 2]]
    """
    lines = [range(n) for n in torus[:-1]] + [range(torus[-1] // 2 + 1)]
    return [
        [k for k in line if band == "full" or 4 * min(k, n - k) < n]
        for n, line in zip(torus, lines, strict=True)
    ]


def symbol_tables(
    torus: Sequence[int], spacing: Sequence[float], lines: Sequence[Sequence[int]]
) -> array[float]:
    """c_a, then s_a, of the symbol at the given frequencies of every axis, in double precision."""
    axes = list(zip(torus, lines, spacing, strict=True))
    numbers = array("d")
    for n, line, h in axes:
        numbers.extend((2 * math.cos(2 * math.pi * k / n) - 2) / h**2 for k in line)
    for n, line, h in axes:
        numbers.extend(math.sin(2 * math.pi * k / n) / h for k in line)
    return numbers


@dataclass(frozen=True)
class Metric:
    """The parameters of `FluidMetric`, which says what they are, and what follows from them."""

    alpha: float = 0.01
    beta: float = 0.01
    gamma: float = 0.001
    power: int = 1
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    pad: Literal["auto", "none"] | int = "auto"
    band: Literal["full", "half"] = "full"

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"FluidMetric: {name}: expected a finite number >= 0, found {value!r}; try the "
                    "defaults"
                )
        if self.alpha == 0 and self.gamma == 0:
            raise ValueError(
                "FluidMetric: alpha: expected alpha or gamma above 0, found both 0; L would not "
                "be invertible"
            )
        if not isinstance(self.power, int) or isinstance(self.power, bool) or self.power < 1:
            raise ValueError(
                f"FluidMetric: power: expected an integer >= 1, found {self.power!r}; use 1 for K "
                "= L^-1"
            )
        object.__setattr__(self, "spacing", tuple(float(h) for h in self.spacing))
        if len(self.spacing) not in (2, 3) or not all(
            math.isfinite(h) and h > 0 for h in self.spacing
        ):
            raise ValueError(
                "FluidMetric: spacing: expected two or three finite sizes > 0, found "
                f"{self.spacing}; give one per axis"
            )
        if self.pad not in ("auto", "none") and not (
            isinstance(self.pad, int) and not isinstance(self.pad, bool) and self.pad >= 0
        ):
            raise ValueError(
                "FluidMetric: pad: expected 'auto', 'none' or a number of voxels >= 0, found "
                f"{self.pad!r}; choose one of these"
            )
        if self.band not in ("full", "half"):
            raise ValueError(
                f"FluidMetric: band: expected 'full' or 'half', found {self.band!r}; choose one of "
                "these"
            )

    def torus(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The sizes that the transform works at for a field of this spatial shape.

        Example:
            >>> import quicksilver_ext as qs
            >>> qs.FluidMetric().torus((229, 193, 225))
            (240, 200, 240)
        """
        if self.pad == "none":
            return tuple(shape)
        gap = 0 if self.pad == "auto" else int(self.pad)
        *others, last = (n + gap for n in shape)
        # Real transforms pair the samples of the last axis.
        return (*map(smooth_size, others), 2 * smooth_size((last + 1) // 2))

    def spacing_of(self, op: str, argument: str, dims: int) -> tuple[float, ...]:
        """One spacing per axis of a field; (1, 1, 1) serves 2-D too."""
        spacing = self.spacing[:dims] if set(self.spacing) == {1.0} else self.spacing
        if len(spacing) != dims:
            raise ValueError(
                f"{op}: {argument}: expected {len(spacing)} spatial axes as the metric's spacing, "
                f"found {dims}; make a metric with one spacing per axis"
            )
        return spacing


def symbol_of(
    spacing: Sequence[float], alpha: float, beta: float, gamma: float, power: int, inverse: bool
) -> _core.FluidSymbol:
    """Make the symbol of K (inverse) or L."""
    # In voxels a velocity is h^-1 times the physical one and a momentum h times: K_vox = h^-1 K
    # h^-1, L_vox = h L h.
    scale = [1 / h if inverse else h for h in spacing] + [1.0]
    return _core.FluidSymbol(alpha, beta, gamma, power, inverse, *scale[:3])
