"""Fields of options: values out of range are refused, whatever kind of number they are."""

from __future__ import annotations

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.options import Options


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (Options, {"steps": -2}),
        (Options, {"steps": 2.5}),
        (Options, {"steps": 10**9}),
        (Options, {"refine": -1}),
        (Options, {"samples": 1}),
        (Options, {"seed": 2**64}),
        (Options, {"stride": 16}),
        (Options, {"batch_size": 0}),
        (Options, {"seed": "one"}),
        (FitOptions, {"spacing": 0}),
        (FitOptions, {"spacing": float("nan")}),
        (FitOptions, {"spacing": float("inf")}),
        (FitOptions, {"sigma": 1e300}),
        (FitOptions, {"window": 10**6}),
        (FitOptions, {"iterations": (1, -1)}),
        (FitOptions, {"step_size": 0.0}),
    ],
)
def test_options_out_of_range_are_refused_by_name(options, changes):
    name = next(iter(changes))
    with pytest.raises(QuicksilverError, match=f"expected {name} to be .* found"):
        options(**changes)


def test_numbers_of_numpy_are_numbers():
    assert Options(steps=np.int64(3)).steps == 3
    assert FitOptions(spacing=np.float32(2)).spacing == 2
