"""Peers compute what they are compared with."""

from __future__ import annotations

import torch

import quicksilver_ext as qs
from benchmarks.measuring.inputs import Inputs
from benchmarks.operators import peers
from tests.benchmarks.figures import CPU


def test_peer_in_half_precision():
    inputs = Inputs(CPU, (12, 13, 14), dtype=torch.bfloat16)
    found = peers.grid_sample(inputs)(0)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, qs.warp(inputs.images[0], inputs.displacements[0]))
