"""Composition of two displacements."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference
from tests.quicksilver_ext.operators import PADDINGS


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_compose_twin(fields, grid, dtype, agree, mode, padding_mode):
    outer = fields.displacement(grid, 3.3, dtype=dtype)
    inner = fields.displacement(grid, 3.3, dtype=dtype)
    agree(
        lambda a, b: qs.compose(a, b, mode, padding_mode),
        lambda a, b: reference.compose(a, b, mode, padding_mode),
        outer,
        inner,
    )


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_compose_gradcheck(fields, small_grid, gradcheck, mode):
    outer, inner = fields.displacement(small_grid, 2.3), fields.displacement(small_grid, 2.3)
    gradcheck(lambda a, b: qs.compose(a, b, mode), outer, inner)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_compose_second_order(fields, sums_are_ordered, mode):
    maps = [fields.displacement((5, 4), 1.3).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradgradcheck(
        lambda a, b: qs.compose(a, b, mode), maps, nondet_tol=0.0 if sums_are_ordered else 1e-10
    )
