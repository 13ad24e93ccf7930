"""shoot: the twin, gradients, and the laws a geodesic obeys."""

from __future__ import annotations

import math

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference

METHODS = {
    "ab2 cubic": {"method": "ab2", "composition": "cubic"},
    "ab2 linear": {"method": "ab2", "composition": "linear"},
    "rk4 original": {"method": "rk4", "borders": "original", "inverse_iterations": 20},
    "rk4 extended": {"method": "rk4", "borders": "extended", "inverse_iterations": 20},
}
EVERY_METHOD = pytest.mark.parametrize("options", METHODS.values(), ids=METHODS.keys())


def rounding(options: dict, dtype: torch.dtype) -> float:
    """Relative to the largest entry; "rk4" leaves a voxel's inverse when it moves by < 1e-6."""
    if dtype == torch.float32:
        return 1e-4
    return 1e-5 if options["method"] == "rk4" else 1e-10


def momentum_like(fields, shape, amplitude, width, metric, batch=1):
    """Momentum of a smooth velocity of this amplitude that fades out towards the faces."""
    momentum = metric.flat(fields.smooth(shape, 1.0, width, batch))
    for axis, n in enumerate(shape):
        x = torch.linspace(0, 1, n, dtype=torch.float64, device=momentum.device)
        window = 16 * (x * (1 - x)) ** 2
        momentum = momentum * window.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return momentum * (amplitude / metric.sharp(momentum).norm(dim=1).max())


@EVERY_METHOD
@pytest.mark.parametrize("steps", [1, 4])
def test_twin(fields, grid, dtype, close, options, steps):
    metric = qs.FluidMetric()
    momentum = momentum_like(fields, grid, 2.0, 2.0, metric, batch=2).to(dtype)
    found = qs.shoot(momentum, metric, steps, **options)
    expected = reference.shoot(momentum, metric, steps, **options)
    for a, b in zip(found, expected, strict=True):
        close(a, b, rounding(options, dtype))


@EVERY_METHOD
def test_half_band(fields, grid, agree, options):
    """The metric's band holds in every smoothing of the way, there and back."""
    metric = qs.FluidMetric(band="half")
    momentum = momentum_like(fields, grid, 2.0, 2.0, metric)
    agree(
        lambda m: qs.shoot(m, metric, 2, **options),
        lambda m: reference.shoot(m, metric, 2, **options),
        momentum,
        tolerance=rounding(options, torch.float64),
    )


@EVERY_METHOD
def test_leaving_the_grid(fields, grid, close, options):
    """A flow through the faces, both ways, follows the same rules there."""
    metric = qs.FluidMetric(pad=4)
    momentum = metric.flat(fields.smooth(grid, 3.0, 3.0))
    found = qs.shoot(momentum, metric, 3, **options)
    expected = reference.shoot(momentum, metric, 3, **options)
    assert max(displacement.abs().max() for displacement in found) > 1.5
    for a, b in zip(found, expected, strict=True):
        close(a, b, rounding(options, torch.float64))


@EVERY_METHOD
def test_gradient_twin(fields, grid, agree, options):
    metric = qs.FluidMetric()
    momentum = momentum_like(fields, grid, 1.5, 2.0, metric, batch=2)
    agree(
        lambda m: qs.shoot(m, metric, 3, **options),
        lambda m: reference.shoot(m, metric, 3, **options),
        momentum,
        tolerance=rounding(options, torch.float64),
    )


@pytest.mark.parametrize("memory", ["fast", "small"])
@pytest.mark.parametrize("composition", ["linear", "cubic"])
def test_gradcheck(fields, small_grid, gradcheck, composition, memory):
    metric = qs.FluidMetric(0.5, 0.3, 0.5)
    momentum = 2 * fields.noise(small_grid, len(small_grid), batch=1)

    def operator(m):
        return qs.shoot(m, metric, 2, composition=composition, memory=memory)

    assert operator(momentum)[0].abs().max() > 0.3
    gradcheck(operator, momentum, fast_mode=True)


@EVERY_METHOD
def test_memory_changes_nothing(fields, grid, close, options):
    metric = qs.FluidMetric()
    momentum = momentum_like(fields, grid, 1.5, 2.0, metric)
    gradients = []
    for memory in ("fast", "small"):
        leaf = momentum.clone().requires_grad_()
        psi, phi = qs.shoot(leaf, metric, 5, memory=memory, **options)
        (psi.square().sum() + phi.sum()).backward()
        gradients.append(leaf.grad)
    close(gradients[1], gradients[0])


@EVERY_METHOD
def test_no_momentum_no_motion(fields, grid, dtype, options):
    zero = torch.zeros(1, len(grid), *grid, dtype=dtype, device=fields.device)
    for displacement in qs.shoot(zero, qs.FluidMetric(), 2, **options):
        assert torch.equal(displacement, zero)


@pytest.mark.parametrize("shape", [(96, 80), (40, 36, 44)], ids=["2d", "3d"])
def test_laws(fields, shape):
    """<m_t, v_t> is conserved, psi and phi are inverse to each other, nothing folds."""
    metric = qs.FluidMetric()
    momentum = momentum_like(fields, shape, 4.0, 7.0, metric)
    energy = (momentum * metric.sharp(momentum)).sum()
    for time in (0.25, 0.5, 1.0):  # the geodesic of time * m0 at 1 is that of m0 at this time
        psi, phi = qs.shoot(time * momentum, metric, 10)
        transported = qs.Ad_star(momentum, psi)
        drift = (transported * metric.sharp(transported)).sum() / energy - 1
        assert abs(drift) < 0.015
        assert qs.jacobian_determinant(psi).min() > 0
        assert qs.jacobian_determinant(phi).min() > 0
        inside = (..., *[slice(4, -4)] * len(shape))
        assert qs.compose(psi, phi, "cubic")[inside].norm(dim=1).max() < 0.05
        assert qs.compose(phi, psi, "cubic")[inside].norm(dim=1).max() < 0.05
    assert psi.norm(dim=1).max() > 3


def test_reversed_momentum_returns(fields):
    """Shooting -m_1 from the endpoint goes back: the psi of that geodesic is phi."""
    metric = qs.FluidMetric(pad="none")
    momentum = momentum_like(fields, (96, 80), 4.0, 10.0, metric)
    psi, phi = qs.shoot(momentum, metric, 20)
    back_psi, back_phi = qs.shoot(-qs.Ad_star(momentum, psi), metric, 20)
    assert (back_psi - phi).abs().max() < 0.03
    assert (back_phi - psi).abs().max() < 0.03


def test_second_order_in_time(fields):
    """Until the linear interpolation of the velocity takes over (first order, but small)."""
    metric = qs.FluidMetric(pad="none")
    momentum = momentum_like(fields, (96, 80), 6.0, 12.0, metric)
    exact = qs.shoot(momentum, metric, 160)
    coarse, fine = (qs.shoot(momentum, metric, steps) for steps in (4, 16))
    for a, b, c in zip(coarse, fine, exact, strict=True):
        assert math.log((a - c).norm() / (b - c).norm(), 4) > 1.8


def test_ab2_beats_rk4(fields):
    """The default is closer to a fine solution than the original's integrator at as many steps."""
    metric = qs.FluidMetric()
    momentum = momentum_like(fields, (64, 56), 5.0, 4.0, metric)
    exact = qs.shoot(momentum, metric, 100)[0]
    ours = qs.shoot(momentum, metric, 10)[0]
    original = qs.shoot(momentum, metric, 10, "rk4", borders="extended")[0]
    assert (ours - exact).norm() < 0.5 * (original - exact).norm()


def test_batch_entries_are_independent(fields, grid):
    metric = qs.FluidMetric()
    momentum = momentum_like(fields, grid, 1.5, 2.0, metric, batch=3)
    psi, phi = qs.shoot(momentum, metric, 3)
    for index in range(3):
        alone = qs.shoot(momentum[index : index + 1], metric, 3)
        assert (alone[0] - psi[index : index + 1]).abs().max() < 1e-12
        assert (alone[1] - phi[index : index + 1]).abs().max() < 1e-12
