"""What the figures of a device with two processor cores are to say, and what each row rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .results import Record, Results

WARP, SHARP = "warp, 160 x 192 x 160", "sharp, 160 x 192 x 160"
PRIMES = "sharp, 229 x 193 x 193"
EXPONENTIAL = "exponential, 160 x 192 x 160"
SHOOT = "shoot, 96 x 96 x 96, 10 steps"
SMALL = "shoot backward, 96 x 96 x 96, {} steps"


class Unknown(Exception):
    """A figure that was not measured."""


@dataclass(frozen=True)
class Target:
    """value: the figure, raising Unknown; bound: what keeps it from being better."""

    what: str
    sense: str
    limit: float
    value: Callable[[Results], float]
    bound: str = ""

    def row(self, results: Results) -> list[str]:
        """Cells: what, aim, measured, whether met or what bounds it."""
        aim = f"{self.sense} {self.limit:g}"
        try:
            value = self.value(results)
        except Unknown as reason:
            return [self.what, aim, f"not measured: {reason}", ""]
        met = value >= self.limit if self.sense == "at least" else value <= self.limit
        return [self.what, aim, f"{value:.3g}", "met" if met else f"**not met**: {self.bound}"]


def _measured(results: Results, case: str, program: str) -> Record:
    record = results.cases.get(case)
    if record is None:
        raise Unknown(f"{case} was not run")
    if program not in record["measured"]:
        raise Unknown(f"{program}: {record['missing'].get(program, 'not compared here')}")
    found: Record = record["measured"][program]
    return found


def times(case: str, peer: str) -> Callable[[Results], float]:
    """Times as fast as a peer, the median over pairs of runs."""

    def value(results: Results) -> float:
        median: float = _measured(results, case, peer)["times_ours"]["median"]
        return median

    return value


def _both_ways(results: Results) -> float:
    """Forward and backward together."""
    peer, ours = (
        sum(
            _measured(results, case, program)["seconds"]["median"]
            for case in (WARP, WARP.replace("warp", "warp backward"))
        )
        for program in ("grid_sample", "quicksilver")
    )
    return peer / ours


def _errors(results: Results) -> float:
    _measured(results, SHOOT, "plain torch RK4")
    errors = results.cases[SHOOT]["error_voxels"]
    ratio: float = errors["quicksilver"] / errors["plain torch RK4"]
    return ratio


def _fields(results: Results) -> float:
    """Vector fields at the peak of the backward pass beside the spectrum, the most over the numbers of steps."""
    found = []
    for steps in (5, 10, 16):
        case = SMALL.format(steps)
        peak = _measured(results, case, "quicksilver")["peak_bytes"]
        if peak is None:
            raise Unknown("memory is not measured on this system")
        field = results.cases[case]["vector_field_bytes"]
        found.append((peak - _spectrum_bytes(results.cases[case])) / field)
    return max(found)


def _spectrum_bytes(record: Record) -> float:
    """Workspace of the transforms: a spectrum of every component, and torch's of the one that is inverted."""
    *others, last = record["shape"]
    whole = 8 * (last // 2 + 1)
    for n in others:
        whole *= n
    return (len(record["shape"]) + 2) * whole


def _register(spacing: float, kind: str) -> Callable[[Results], float]:
    def value(results: Results) -> float:
        for name, record in results.cases.items():
            if name.startswith("register, ") and record["spacing"] == spacing:
                model = name.removeprefix("register, ")
                return times(f"{kind}, {model}", "ANTs SyN")(results)
        raise Unknown(f"no model at {spacing:g} mm")

    return value


TARGETS = [
    Target("`warp` against `grid_sample`", "at least", 6, times(WARP, "grid_sample")),
    Target(
        "`warp` against `map_coordinates(order=1)`",
        "at least",
        15,
        times(WARP, "SciPy map_coordinates"),
    ),
    Target(
        "`warp` backward, both gradients, against `grid_sample`'s",
        "at least",
        4,
        times(WARP.replace("warp", "warp backward"), "grid_sample"),
    ),
    Target("`warp` forward and backward against `grid_sample`", "at least", 4, _both_ways),
    Target(
        "`exponential` against `VecInt`", "at least", 5, times(EXPONENTIAL, "VoxelMorph VecInt")
    ),
    Target(
        "`sharp` against `irfftn(symbol * rfftn)`, same size",
        "at least",
        1,
        times(SHARP, "torch.fft"),
    ),
    Target("`sharp` against it at 229 x 193 x 193", "at least", 2, times(PRIMES, "torch.fft")),
    Target("`shoot(ab2)` against plain-torch RK4", "at least", 10, times(SHOOT, "plain torch RK4")),
    Target("error of `shoot(ab2)` over that of RK4", "at most", 1, _errors),
    Target("vector fields at the peak of `shoot`'s backward, memory small", "at most", 16, _fields),
    Target(
        "`register` at 2 mm against ANTs SyN, computing", "at least", 5, _register(2.0, "register")
    ),
    Target(
        "`register` at 2 mm against ANTs SyN, whole command",
        "at least",
        5,
        _register(2.0, "register command"),
    ),
    Target(
        "`register` at 1 mm against ANTs SyN, computing",
        "at least",
        0.7,
        _register(1.0, "register"),
    ),
    Target(
        "`register` at 1 mm against ANTs SyN, whole command",
        "at least",
        0.7,
        _register(1.0, "register command"),
    ),
]
