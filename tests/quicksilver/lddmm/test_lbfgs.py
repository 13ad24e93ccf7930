from __future__ import annotations

import math

import pytest
import torch

import quicksilver_ext as qs
from quicksilver.lddmm import lbfgs
from quicksilver.lddmm.lbfgs import Descent, FixedStep, minimise
from quicksilver.lddmm.metric import pad_metric

METRIC = qs.FluidMetric(pad="none")
SHAPE = (1, 3, 3, 4, 2)


def noise(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def started(kind=Descent, iterations=10, tolerance=0.0):
    """A descent that knows energy 1 and a gradient at its start."""
    descent = kind(0.01 * noise(0), METRIC, iterations, tolerance)
    descent.receive(1.0, noise(1))
    return descent


def test_directions_are_those_of_the_bfgs_formula(monkeypatch):
    """H <- (1 - s y' / y's) H (1 - y s' / y's) + s s' / y's, pair by pair, from scale * L."""
    monkeypatch.setattr(lbfgs, "LARGEST_STEP", math.inf)
    descent = started()
    size = noise(0).numel()
    unit = torch.eye(size, dtype=torch.float64)
    flat = METRIC.flat(unit.view(size, *SHAPE[1:])).view(size, size)
    pairs = []
    for k in range(3):
        s = 0.01 * noise(10 + k)
        pairs.append((s, METRIC.sharp(s) + 0.1 * s))
    descent.pairs.extend(pairs)
    s, y = (t.flatten() for t in pairs[-1])
    dense = (s @ y) / (y @ flat @ y) * flat
    for s, y in ((s.flatten(), y.flatten()) for s, y in pairs):
        side = unit - torch.outer(s, y) / (s @ y)
        dense = side @ dense @ side.T + torch.outer(s, s) / (s @ y)
    descent.gradient = noise(5)
    torch.testing.assert_close(descent._direction().flatten(), -dense @ noise(5).flatten())


def test_the_first_step_changes_the_velocity_by_the_largest_step():
    descent = started()
    change = METRIC.sharp(descent.trial - descent.point)
    assert change.abs().max().item() == pytest.approx(lbfgs.LARGEST_STEP)
    natural = -METRIC.flat(noise(1))
    cosine = torch.cosine_similarity(
        (descent.trial - descent.point).flatten(), natural.flatten(), 0
    )
    assert cosine.item() == pytest.approx(1)


def test_the_step_size_bounds_the_first_step_and_those_after_it():
    descent = Descent(0.01 * noise(0), METRIC, 10, 0.0, step_size=0.02)
    descent.receive(1.0, noise(1))
    changes = []
    for seed in (2, 3, 4):
        changes.append(METRIC.sharp(descent.trial - descent.point).abs().max().item())
        assert descent.receive(-1e6 * seed, noise(seed))
    assert changes[0] == pytest.approx(0.02)
    assert max(changes) <= 0.02 * (1 + 1e-6)


def test_the_step_size_of_the_original_multiplies_the_gradient():
    descent = FixedStep(noise(0), METRIC, 3, 0.0, step_size=0.5)
    descent.receive(1.0, noise(1))
    torch.testing.assert_close(descent.trial, noise(0) - 0.5 * noise(1))


def test_a_trial_that_is_not_lower_is_halved_until_there_is_no_more():
    descent = started()
    here, first = descent.point, descent.trial - descent.point
    for number, energy in enumerate((1.0, math.nan, 2.0, math.inf, 1.0), start=1):
        assert not descent.receive(energy, noise(2))
        assert not descent.stopped
        torch.testing.assert_close(descent.trial - here, first / 2**number)
    assert not descent.receive(1.0, noise(2))
    assert descent.stopped
    assert descent.point is here
    assert descent.energies == [1.0]


def test_curvature_that_misleads_is_forgotten():
    descent = started()
    first = descent.trial
    moved = descent.trial - descent.point
    descent.pairs.append((moved, noise(1)))
    descent._start_from(descent.point, noise(1), halved=0)
    assert not torch.equal(descent.trial, first)
    for _ in range(descent.halvings + 1):
        assert not descent.receive(2.0, noise(2))
        assert not descent.stopped
    assert not descent.pairs
    assert torch.equal(descent.trial, first)


def test_lower_must_be_lower_by_what_the_slope_promises():
    slope = -(started().direction * noise(1)).sum().item()
    for part, accepted in ((0.9, False), (1.1, True)):
        descent = started()
        assert descent.receive(1 - part * lbfgs.ARMIJO * slope, noise(2)) is accepted


def test_a_step_against_positive_curvature_is_not_kept():
    descent = started()
    moved = descent.trial - descent.point
    descent.receive(-1e9, noise(1) - moved)
    assert not descent.pairs
    descent = started()
    descent.receive(-1e9, noise(1) + moved)
    assert len(descent.pairs) == 1


@pytest.mark.parametrize(("tolerance", "stopped"), [(0.05, False), (0.2, True)])
def test_small_progress_is_the_end(tolerance, stopped):
    descent = started(tolerance=tolerance)
    descent.slope = -1e-9
    descent.receive(0.9, noise(2))
    assert descent.stopped is stopped


def test_no_gradient_is_the_end():
    descent = Descent(noise(0), METRIC, 5, 0.0)
    descent.receive(1.0, 0 * noise(0))
    assert descent.stopped


def test_the_fixed_step_takes_every_energy_but_none_that_is_not_finite():
    descent = started(FixedStep, iterations=3, tolerance=1.0)
    torch.testing.assert_close(descent.trial, 0.01 * noise(0) - 4e-6 * noise(1))
    assert descent.receive(7.0, noise(2))
    assert not descent.stopped
    assert not descent.receive(math.nan, noise(2))
    assert descent.stopped


def test_every_quadratic_is_minimised_in_its_own_time():
    """1/2 <m - c, K (m - c)> with natural gradients, one of them ten times as steep."""
    centres, steep = 1e-3 * torch.cat([noise(3), noise(4)]), torch.tensor([1.0, 10.0]).double()
    asked = []

    def energy(trials, rows):
        asked.append(rows)
        off = trials - centres[rows]
        terms = 0.5 * (off * METRIC.sharp(off)).flatten(1).sum(1)
        return steep[rows] * terms

    descents = [Descent(0 * noise(0), METRIC, 60, t) for t in (1e-6, 0.9)]
    moved = []
    minimise(energy, descents, moved.append)
    torch.testing.assert_close(descents[0].point, centres[:1], rtol=0, atol=2e-5)
    assert descents[1].stopped
    assert asked[-1] == [0]
    assert asked[0] == [0, 1]
    assert sum(row == 0 for rows in moved for row in rows) == len(descents[0].energies)


def test_one_place_that_wants_far_more_does_not_hold_up_the_rest():
    """A gradient with a peak: the rest goes as far as without it, and the peak no further than a
    step.
    """
    metric = pad_metric(qs.FluidMetric())
    smooth = torch.zeros(1, 3, 20, 20, 20)
    smooth[..., 6:14, 6:14, 6:14] = 1e-3
    smooth = metric.sharp(smooth)
    peaked = smooth.clone()
    peaked[..., 10, 10, 10] += 6
    speeds = []
    for gradient in (smooth, peaked):
        descent = lbfgs.Descent(torch.zeros_like(gradient), metric, 5, 1e-3)
        descent.receive(1.0, gradient)
        speeds.append(metric.sharp(descent.direction).abs())
    assert speeds[1].max() <= 1.001 * lbfgs.LARGEST_STEP
    corner = (0, slice(None), 6, 6, 6)
    assert speeds[1][corner].min() > 0.1 * speeds[0][corner].max()


def test_a_velocity_that_goes_on_past_the_faces_has_no_momentum_there():
    metric = pad_metric(qs.FluidMetric())
    constant = torch.ones(1, 3, 8, 9, 10)
    torch.testing.assert_close(lbfgs._apply_inverse_kernel(metric, constant), 0.001 * constant)
    assert metric.flat(constant)[0, 0, 0].abs().max() > 5 * 0.001
