"""Aims for a machine with two CPU cores, and the figure that each is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..measuring.place import Record
from .results import Results

WARP, SHARP = "warp, 160 x 192 x 160", "sharp, 160 x 192 x 160"
PRIMES = "sharp, 229 x 193 x 193"
EXPONENTIAL = "exponential, 160 x 192 x 160"
SHOOT = "shoot, 96 x 96 x 96, 10 steps"
SMOOTHING = "sharp, 96 x 96 x 96"
SMALL = "shoot backward, 96 x 96 x 96, {} steps"


class NotMeasuredError(Exception):
    """A figure was not measured; the message says which."""


@dataclass(frozen=True)
class Target:
    """value: the figure, raising NotMeasuredError; bound: what keeps it from being better."""

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
        except NotMeasuredError as reason:
            return [self.what, aim, f"not measured: {reason}", ""]
        met = value >= self.limit if self.sense == "at least" else value <= self.limit
        return [self.what, aim, f"{value:.3g}", "met" if met else f"**not met**: {self.bound}"]


def _measured(results: Results, case: str, program: str) -> Record:
    record = results.cases.get(case)
    if record is None:
        raise NotMeasuredError(f"{case} was not run")
    if program not in record["measured"]:
        raise NotMeasuredError(f"{program}: {record['missing'].get(program, 'not compared here')}")
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
    """Vector fields at the peak of the backward pass, its result and the workspace of a smoothing
    aside; the most over the numbers of steps.
    """
    smoothing = _tensor_fields(results, SMOOTHING) - 1
    return max(
        _tensor_fields(results, SMALL.format(steps)) - 1 - smoothing for steps in (5, 10, 16)
    )


def _tensor_fields(results: Results, case: str) -> float:
    _measured(results, case, "quicksilver")
    record = results.cases[case]
    fields: float = record["tensor_bytes"] / record["vector_field_bytes"]
    return fields


def _register(spacing: float, kind: str) -> Callable[[Results], float]:
    def value(results: Results) -> float:
        for name, record in results.cases.items():
            if name.startswith("register, ") and record["spacing"] == spacing:
                model = name.removeprefix("register, ")
                return times(f"{kind}, {model}", "ANTs SyN")(results)
        raise NotMeasuredError(f"no model at {spacing:g} mm")

    return value


def _at_once(results: Results) -> float:
    """Four commands side by side over one, in seconds."""
    four, one = (
        _measured(results, f"register commands side by side, {count}", "quicksilver")["seconds"][
            "median"
        ]
        for count in (4, 1)
    )
    ratio: float = four / one
    return ratio


GATHER = (
    "12 loads of two samples each per voxel; where fields exceed the caches it is the lines that "
    "these touch, about half of the time"
)
SCATTER = (
    "the splat: 24 additions to memory per voxel, in an order that makes the sum the same for any "
    "number of threads"
)
TRANSFORMS = (
    "reading and writing the spectrum between its three passes, and the butterflies, half each"
)
MEMORY = (
    "the eight fields that one step back works in, the state it starts from and the states held"
)
NETWORKS = (
    "the shots, one more for every round that smooths folds away, and the networks' convolutions "
    "(see the stages below)"
)
START = (
    "starting Python and torch, and writing with the reports, a fifth of the time each; of the "
    "computing the shots that free the map of folds"
)


TARGETS = [
    Target("`warp` against `grid_sample`", "at least", 6, times(WARP, "grid_sample"), GATHER),
    Target(
        "`warp` against `map_coordinates(order=1)`",
        "at least",
        15,
        times(WARP, "SciPy map_coordinates"),
        GATHER,
    ),
    Target(
        "`warp` backward, both gradients, against `grid_sample`'s",
        "at least",
        4,
        times(WARP.replace("warp", "warp backward"), "grid_sample"),
        SCATTER,
    ),
    Target("`warp` forward and backward against `grid_sample`", "at least", 4, _both_ways, SCATTER),
    Target(
        "`exponential` against `VecInt`",
        "at least",
        5,
        times(EXPONENTIAL, "VoxelMorph VecInt"),
        GATHER,
    ),
    Target(
        "`sharp` against `irfftn(symbol * rfftn)`, same size",
        "at least",
        1,
        times(SHARP, "torch.fft"),
        TRANSFORMS,
    ),
    Target(
        "`sharp` against it at 229 x 193 x 193",
        "at least",
        2,
        times(PRIMES, "torch.fft"),
        TRANSFORMS,
    ),
    Target(
        "`shoot(ab2)` against plain-torch RK4, 5 inverse iterations",
        "at least",
        10,
        times(SHOOT, "plain torch RK4"),
        TRANSFORMS,
    ),
    Target("error of `shoot(ab2)` over that of RK4", "at most", 1, _errors),
    Target(
        "vector fields at the peak of `shoot`'s backward, memory small",
        "at most",
        16,
        _fields,
        MEMORY,
    ),
    Target("four `register` commands side by side against one", "at most", 3.3, _at_once, START),
    *(
        Target(
            f"`register` at {spacing:g} mm against ANTs SyN, {what}",
            "at least",
            limit,
            _register(spacing, kind),
            bound,
        )
        for spacing, limit in ((2.0, 5), (1.0, 0.7))
        for what, kind, bound in (
            ("computing", "register", NETWORKS),
            ("whole command", "register command", START),
        )
    ),
]
