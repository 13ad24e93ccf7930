"""shoot says so where a momentum carries voxels farther than the grid is large, and only there."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext.ops.geodesic.range_check import warn_out_of_grid

METRIC = qs.FluidMetric(0.5, 0.3, 0.5)
METHODS = pytest.mark.parametrize("method", ["ab2", "rk4"])


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@METHODS
@pytest.mark.parametrize("scale", [1e3, math.inf])
def test_a_momentum_that_leaves_the_grid_is_told(fields, grid, dtype, method, scale):
    momentum = fields.noise(grid, len(grid), dtype=dtype)
    momentum[1] *= scale  # one of the batch
    words = rf"shoot: momentum: expected no displacement longer than the grid \({grid[0]}, .*found"
    with pytest.warns(qs.OutOfGridWarning, match=words) as told:
        qs.shoot(momentum, METRIC, 3, method)
    assert [warning.filename for warning in told] == [__file__]


@METHODS
def test_what_stays_is_not(fields, grid, dtype, method):
    """Nor is a batch of none."""
    momentum = fields.noise(grid, len(grid), dtype=dtype)
    psi, _ = qs.shoot(momentum, METRIC, 3, method)
    assert psi.abs().max() > 0.5
    qs.shoot(momentum[:0], METRIC, 3, method)


def test_what_is_not_to_be_looked_at_is_not(fields, grid):
    momentum = 1e3 * fields.noise(grid, len(grid))
    qs.shoot(momentum, METRIC, 3, check=False)
    torch.vmap(lambda m: qs.shoot(m, METRIC, 3))(momentum[None])
    torch.func.grad(lambda m: qs.shoot(m, METRIC, 3)[0].sum())(momentum)
    torch.compile(lambda m: qs.shoot(m, METRIC, 3), backend="eager")(momentum)
    with pytest.warns(qs.OutOfGridWarning):
        qs.GeodesicShooting(METRIC, 3)(momentum)
    qs.GeodesicShooting(METRIC, 3, check=False)(momentum)


@pytest.mark.parametrize("component", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_each_axis_has_its_own_size(component, sign):
    """Of a grid of 8 x 20: 9 voxels are too many along the first axis alone."""
    still, moved = torch.zeros(2, 1, 2, 8, 20).unbind()
    moved[0, component, 3, 4] = 9 * sign
    for psi, phi in ((still, moved), (moved, still)):
        if component == 0:
            with pytest.warns(qs.OutOfGridWarning, match="found one of 9 voxels"):
                warn_out_of_grid(still, psi, phi)
        else:
            warn_out_of_grid(still, psi, phi)


class Device:
    """A tensor on CUDA, as far as the check asks; reading its values is waiting for the device."""

    is_cuda, shape = True, (1, 2, 8, 20)
    requires_grad = False

    def numel(self) -> int:
        return 320

    def flatten(self, _):
        raise AssertionError("waited for the device")


@pytest.mark.parametrize("reason", ["gradient", "recording", None])
def test_nothing_waits_on_cuda_where_it_would_hurt(monkeypatch, reason):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: reason == "recording")
    monkeypatch.setattr("quicksilver_ext.ops.geodesic.range_check.Tensor", Device)
    momentum = torch.zeros(1, 2, 8, 20, requires_grad=reason == "gradient")
    if reason is None:
        with pytest.raises(AssertionError, match="waited"):
            warn_out_of_grid(momentum, Device(), Device())
    else:
        warn_out_of_grid(momentum, Device(), Device())
