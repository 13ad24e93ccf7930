"""Promises of every differentiable operator, of which the table in docs/operators/properties.md is
made.

``python -m pytest tests/quicksilver_ext/test_properties.py --properties
docs/operators/properties.md``
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver_ext import reference
from tests.quicksilver_ext.operators import (
    GRIDS,
    OPERATORS,
    gradients,
    leaves,
    run,
)

each = pytest.mark.parametrize("name", OPERATORS)
both = pytest.mark.parametrize("grid", GRIDS, ids=["2d", "3d"])


def same(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= tolerance * b.abs().max().clamp(min=1e-30)


@both
@each
def test_twin(name, fields, grid):
    """Values and gradients are the plain-torch twin's, a batch of one being broadcast."""
    case, results = OPERATORS[name], []
    for module in (qs, reference):
        tensors = leaves(name, type(fields)(fields.device), grid)
        result = case.call(module, *tensors)
        results.append([result.detach(), *gradients(result, tensors)])
    same(*results, case.tolerance)


@both
@each
def test_gradcheck(name, fields, grid, device):
    nondeterminism = 0.0 if device.type == "cpu" else 1e-10
    inputs = leaves(name, fields, grid, 1 if OPERATORS[name].broadcast else 2)
    assert torch.autograd.gradcheck(lambda *t: run(name, *t), inputs, nondet_tol=nondeterminism)


@each
def test_gradgradcheck(name, fields, device):
    nondeterminism = 0.0 if device.type == "cpu" else 1e-10
    inputs = leaves(name, fields, (5, 4))
    if not OPERATORS[name].twice:
        first = torch.autograd.grad(run(name, *inputs).square().sum(), inputs, create_graph=True)
        with pytest.raises(NotImplementedError, match="expected no derivative"):
            first[0].square().sum().backward()
        pytest.skip("differentiable once; refuses twice")
    assert torch.autograd.gradgradcheck(lambda *t: run(name, *t), inputs, nondet_tol=nondeterminism)


@each
def test_forward_mode(name, fields):
    """torch.func.jvp is what finite differences give, by each argument and by all at once."""
    inputs = [t.detach() for t in leaves(name, fields, (5, 4))]
    if not OPERATORS[name].forward:
        with pytest.raises(NotImplementedError, match="forward mode: expected no tangent"):
            torch.func.jvp(lambda *t: run(name, *t), tuple(inputs), tuple(inputs))
        pytest.skip("refused")
    every = [torch.randn_like(t) for t in inputs]
    for chosen in {*range(len(inputs)), None}:
        directions = [
            d if chosen in (n, None) else torch.zeros_like(d) for n, d in enumerate(every)
        ]
        _, found = torch.func.jvp(lambda *t: run(name, *t), tuple(inputs), tuple(directions))
        ends = [
            run(name, *(t + step * d for t, d in zip(inputs, directions, strict=True)))
            for step in (1e-6, -1e-6)
        ]
        same([found], [(ends[0] - ends[1]) / 2e-6], 1e-6)


@each
def test_transforms(name, fields):
    """torch.func: vjp and grad are backward's, also around vmap; and grad of grad, or refused."""
    inputs = leaves(name, fields, (5, 4))
    detached = [t.detach() for t in inputs]
    result, pull_back = torch.func.vjp(lambda *t: run(name, *t), *detached)
    weight = torch.linspace(-1, 2, result.numel()).reshape(result.shape).to(result)
    same(pull_back(weight), gradients(run(name, *inputs), inputs), 1e-12)
    *first, last = detached

    def total(last: Tensor) -> Tensor:
        return (weight * run(name, *first, last).square()).sum()

    (slope,) = torch.autograd.grad(total(inputs[-1]), inputs[-1], create_graph=True)
    same([torch.func.grad(total)(last)], [slope], 1e-12)
    if OPERATORS[name].mapped:
        several = torch.func.grad(lambda x: torch.vmap(total)(x).sum())(torch.stack([last, last]))
        same(several, [slope] * 2, 1e-12)
    if OPERATORS[name].twice:
        twice = torch.autograd.grad(slope.square().sum(), inputs[-1], materialize_grads=True)
        found = torch.func.grad(lambda x: torch.func.grad(total)(x).square().sum())(last)
        assert (found - twice[0]).abs().max() <= 1e-11 * twice[0].abs().max().clamp(min=1e-30)


@both
@each
def test_strides(name, fields, grid):
    """Transposed inputs and expanded gradients give what contiguous ones do."""
    inputs = leaves(name, fields, grid, 2)
    strided = [
        t.movedim(0, -1).contiguous().movedim(-1, 0).detach().requires_grad_() for t in inputs
    ]
    assert not any(t.is_contiguous() for t in strided)
    expected, found = run(name, *inputs), run(name, *strided)
    same([found], [expected], 1e-14)
    same(
        torch.autograd.grad(found.sum(), strided),
        torch.autograd.grad((expected * torch.ones_like(expected)).sum(), inputs),
        1e-14,
    )


@each
def test_compile(name, fields):
    """One graph, forward and backward."""
    inputs = leaves(name, fields, (5, 4))
    torch._dynamo.reset()
    compiled = torch.compile(lambda *t: run(name, *t), fullgraph=True, backend="aot_eager")
    result, expected = compiled(*inputs), run(name, *inputs)
    same([result], [expected], 1e-14)
    same(gradients(result, inputs), gradients(expected, inputs), 1e-12)


@each
def test_export(name, fields):
    class Model(torch.nn.Module):
        def forward(self, *tensors: Tensor) -> Tensor:
            return run(name, *tensors)

    inputs = tuple(t.detach() for t in leaves(name, fields, (5, 4)))
    program = torch.export.export(Model(), inputs)
    same([program.module()(*inputs)], [run(name, *inputs)], 1e-14)


@each
def test_vmap(name, fields):
    """All arguments mapped, and only the last."""
    if not OPERATORS[name].mapped:
        pytest.skip("no rule: patches are already many")
    several = [leaves(name, fields, (5, 4), 2) for _ in range(3)]
    stacked = [torch.stack(tensors).detach() for tensors in zip(*several, strict=True)]
    found = torch.vmap(lambda *t: run(name, *t))(*stacked)
    same(found, [run(name, *tensors) for tensors in several], 1e-12)
    *first, last = stacked
    found = torch.vmap(lambda t: run(name, *(f[0] for f in first), t))(last)
    same(found, [run(name, *several[0][:-1], tensors[-1]) for tensors in several], 1e-12)


@each
def test_autocast(name, fields, device):
    """Half precision comes in, float32 is computed, and float64 stays."""
    inputs = [t.detach() for t in leaves(name, fields, (5, 4))]
    halves = [t.bfloat16() for t in inputs]
    with torch.autocast(device.type, torch.bfloat16):
        found, double = run(name, *halves), run(name, *inputs)
    assert found.dtype == torch.float32
    assert double.dtype == torch.float64
    same([found], [run(name, *(t.float() for t in halves))], 1e-6)


@each
def test_inference_mode(name, fields):
    inputs = [t.detach() for t in leaves(name, fields, (5, 4))]
    with torch.inference_mode():
        found = run(name, *inputs)
    assert found.is_inference()
    same([found], [run(name, *inputs)], 1e-14)


@each
def test_deterministic(name, fields):
    """Requested, values and gradients are refused by nothing and equal from run to run."""
    if name == "shoot" and fields.device.type == "cuda":
        pytest.skip("its backward refuses, by intent")
    inputs, runs = leaves(name, fields, (5, 4)), []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            result = run(name, *inputs)
            runs.append([result.detach(), *gradients(result, inputs)])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_the_table_is_of_these_tests():
    """A row for every operator, a column for every property, and nothing that failed."""
    file = Path(__file__).parents[2] / "docs" / "operators" / "properties.md"
    if not file.exists():
        pytest.skip("the tests run without the documentation")
    head, _, *rows = [line for line in file.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    kinds = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert cells[0][1:] == [kind for kind in kinds if kind != "the_table_is_of_these_tests"]
    assert [row[0].strip("`") for row in cells[1:]] == list(OPERATORS)
    assert {cell for row in cells[1:] for cell in row[1:]} <= {"yes", "-"}
