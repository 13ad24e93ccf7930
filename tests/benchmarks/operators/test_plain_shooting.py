"""Plain torch shoots as the paper says."""

from __future__ import annotations

import torch

import quicksilver_ext as qs
from benchmarks.measuring.inputs import moderate_momentum
from benchmarks.operators.plain_shooting import PlainShooting


def test_plain_shooting_is_that_of_the_paper():
    metric = qs.FluidMetric(pad="none")
    momentum = moderate_momentum((20, 22, 24), metric, 2.0)
    expected = qs.shoot(momentum, metric, 4, method="rk4", inverse_iterations=5)
    found = PlainShooting(momentum, metric, 4, 5)(momentum)
    for ours_, theirs in zip(expected, found, strict=True):
        assert ours_.abs().max() > 1
        torch.testing.assert_close(ours_, theirs, rtol=0, atol=1e-4)
