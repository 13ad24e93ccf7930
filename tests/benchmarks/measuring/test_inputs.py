"""Inputs are many and not zeros."""

from __future__ import annotations

import torch

from benchmarks.measuring.inputs import Inputs
from tests.benchmarks.figures import CPU


def test_inputs_exceed_the_cache_and_are_not_zeros():
    inputs = Inputs(CPU, (24, 20, 22))
    assert inputs.rotation * inputs.images[0].nbytes >= 32 * 24 * 20 * 22 * 12
    for tensors in (inputs.images, inputs.displacements, inputs.vectors):
        assert all((t == 0).float().mean() < 0.05 for t in tensors)
        assert not torch.equal(tensors[0], tensors[1])
