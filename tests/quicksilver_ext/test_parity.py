"""Both implementations against arrays of the original one (PyCA's CPU path, float32).

Its conventions are not ours: arrays are (Z, Y, X), component x is the last array axis, and maps are
absolute positions. Its rules at the borders are ours with faces="half", padding_mode="zeros" for
momenta, velocities and maps, and borders="original" (see the oracle's README).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference

RELATIVE = 1e-6  # of the largest entry; the original's own rounding is 3e-7
VOXELS = 1e-4  # of maps; the original differs by 4e-5 from run to run
TORUS = {"pad": "none"}
ALTERNATIVE = {"alpha": 1.0, "beta": 0.3, "gamma": 0.05, "pad": "none"}


class Oracle:
    """The arrays as our fields, in one dtype on one device."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self.device = dtype, device
        self.arrays: dict[str, np.ndarray] = {}
        for name in ("inputs_B", "ops_B", "geodesic_B"):
            with np.load(folder / f"{name}.npz") as file:
                self.arrays |= dict(file)

    def field(self, name: str) -> torch.Tensor:
        """(3, Z, Y, X) or (Z, Y, X) to (1, C, X, Y, Z); the components are already x, y, z."""
        array = torch.from_numpy(self.arrays[name]).to(torch.float64)
        array = array if array.ndim == 4 else array[None]
        return array.permute(0, 3, 2, 1)[None].contiguous().to(self.device, self.dtype)

    def displacement(self, name: str) -> torch.Tensor:
        """Make the displacement of an absolute map, in double precision."""
        positions = torch.from_numpy(self.arrays[name]).to(torch.float64)
        positions = positions.permute(0, 3, 2, 1)[None]
        axes = [torch.arange(n, dtype=torch.float64) for n in positions.shape[2:]]
        identity = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        return (positions - identity).contiguous().to(self.device, self.dtype)


@pytest.fixture
def oracle(shared, dtype, device) -> Oracle:
    return Oracle(shared / "oracle", dtype, device)


@pytest.fixture(params=[qs, reference], ids=["compiled", "twin"])
def ops(request):
    return request.param


@pytest.mark.parametrize(
    ("name", "momentum", "options"),
    [
        ("K_m0", "m0", TORUS),
        ("K_noise", "noise", TORUS),
        ("Kalt_noise", "noise", ALTERNATIVE),
        ("Kpow2_noise", "noise", TORUS | {"power": 2}),
    ],
)
def test_sharp(oracle, ops, close, name, momentum, options):
    found = ops.sharp(oracle.field(momentum), qs.FluidMetric(**options))
    close(found, oracle.field(name), RELATIVE)


def test_sharp_of_a_delta(oracle, ops, close):
    delta = torch.zeros_like(oracle.field("K_delta_x"))
    delta[0, 0, 12, 12, 12] = 1
    close(ops.sharp(delta, qs.FluidMetric(**TORUS)), oracle.field("K_delta_x"), RELATIVE)


@pytest.mark.parametrize(("name", "options"), [("L_noise", TORUS), ("Lalt_noise", ALTERNATIVE)])
def test_flat(oracle, ops, close, name, options):
    found = ops.flat(oracle.field("noise"), qs.FluidMetric(**options))
    close(found, oracle.field(name), RELATIVE)


@pytest.mark.parametrize(
    ("name", "map_name"), [("CoAd_phiinv_m0", "RK4_10_N20_phiinv"), ("CoAd_hw_m0", "h_w")]
)
def test_coadjoint(oracle, ops, close, name, map_name):
    found = ops.Ad_star(oracle.field("m0"), oracle.displacement(map_name), "half")
    close(found, oracle.field(name), RELATIVE)


@pytest.mark.parametrize(
    ("name", "image", "mode", "padding_mode"),
    [
        ("ApplyH_I1_hedge_CLAMP_default", "I1", "linear", "border"),
        ("ApplyH_I1_hedge_PARTIAL_ZERO", "I1", "linear", "zeros"),
        ("ApplyH_I1_hedge_CLAMP_NN", "I1", "nearest", "border"),
        ("ApplyH_w_hedge_PARTIAL_ZERO", "w", "linear", "zeros"),
        ("ApplyH_w_hedge_CLAMP", "w", "linear", "border"),
    ],
)
def test_interpolation(oracle, ops, close, name, image, mode, padding_mode):
    found = ops.warp(oracle.field(image), oracle.displacement("h_edge"), mode, padding_mode)
    close(found, oracle.field(name), RELATIVE)


def test_composition_of_maps(oracle, ops, close):
    """A map that is the identity outside is a displacement that is zero there."""
    outer, inner = oracle.displacement("h_w"), oracle.displacement("h_edge")
    found = ops.compose(outer, inner, padding_mode="zeros")
    largest = oracle.field("ComposeHH_hw_hedge_PARTIAL_ID").abs().max()
    expected = oracle.displacement("ComposeHH_hw_hedge_PARTIAL_ID")
    assert (found - expected).abs().max() <= RELATIVE * largest


@pytest.mark.parametrize(
    ("name", "map_name", "values"),
    [
        ("Splat_hw_I1", "h_w", "I1"),
        ("Splat_hedge_I1", "h_edge", "I1"),
        ("SplatField_hw_w2", "h_w", "w2"),
    ],
)
def test_splat(oracle, ops, close, name, map_name, values):
    found = ops.splat(oracle.field(values), oracle.displacement(map_name), padding_mode="zeros")
    close(found, oracle.field(name), RELATIVE)


@pytest.mark.parametrize(
    ("name", "faces"),
    [("JacDetH_hw_CENTRAL_APPROX_default", "one_sided"), ("JacDetH_hw_CENTRAL_CLAMP", "half")],
)
def test_jacobian_determinant(oracle, ops, close, name, faces):
    found = ops.jacobian_determinant(oracle.displacement("h_w"), faces)
    close(found, oracle.field(name), RELATIVE)


@pytest.mark.parametrize("iterations", [5, 20])
def test_geodesic(oracle, ops, iterations):
    metric, momentum = qs.FluidMetric(**TORUS), oracle.field("m0")
    options = {"method": "rk4", "borders": "original", "inverse_iterations": iterations}
    psi, phi = ops.shoot(momentum, metric, 10, **options)
    expected = f"RK4_10_N{iterations}_"
    assert (psi - oracle.displacement(expected + "phiinv")).abs().max() <= VOXELS
    assert (phi - oracle.displacement(expected + "phi")).abs().max() <= VOXELS
    if iterations == 20:
        warped = ops.warp(oracle.field("I0"), psi)
        assert (warped - oracle.field("RK4_10_N20_I0_phiinv")).abs().max() <= 1e-5
        back = ops.warp(oracle.field("I1"), phi)
        assert (back - oracle.field("RK4_10_N20_I1_phi")).abs().max() <= 1e-5


@pytest.mark.parametrize("step", [1, 5])
def test_geodesic_on_the_way(oracle, step):
    """At t = step / 10 the geodesic of m0 is at the end of the one of step / 10 m0."""
    metric, momentum = qs.FluidMetric(**TORUS), oracle.field("m0") * step / 10
    psi, phi = qs.shoot(momentum, metric, step, "rk4", borders="original", inverse_iterations=20)
    assert (psi - oracle.displacement(f"RK4_10_N20_phiinv_step{step}")).abs().max() <= VOXELS
    assert (phi - oracle.displacement(f"RK4_10_N20_phi_step{step}")).abs().max() <= VOXELS


def test_the_presets_differ(oracle):
    """The original's rules at the borders are not our default: these arrays tell them apart."""
    metric, momentum = qs.FluidMetric(**TORUS), oracle.field("m0")
    psi, _ = qs.shoot(momentum, metric, 10, "rk4", borders="extended", inverse_iterations=20)
    assert (psi - oracle.displacement("RK4_10_N20_phiinv")).abs().max() > 10 * VOXELS
