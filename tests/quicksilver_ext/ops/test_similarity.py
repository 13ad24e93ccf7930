"""ssd and lncc: the twins, gradients of both orders, and images that are equal."""

from __future__ import annotations

import pytest
import torch

import quicksilver_ext as qs
from quicksilver_ext import reference
from quicksilver_ext.ops import similarity

PADDINGS = ["border", "zeros"]
BATCHES = [(2, 2, 2), (1, 3, 3), (3, 1, 3), (3, 3, 1), (1, 1, 3)]


def images(fields, grid, channels=4, batches=(2, 2, 2), dtype=torch.float64):
    return (
        fields.noise([n + 2 for n in grid], channels, batches[0], dtype),
        fields.noise(grid, channels, batches[1], dtype),
        fields.displacement(grid, 3.3, batches[2], dtype),
    )


def agree_on_losses(name, inputs, options, tolerance):
    """Value and all gradients, weighted differently for every entry of the batch."""
    found, expected = [], []
    for operator, results in ((getattr(qs, name), found), (getattr(reference, name), expected)):
        leaves = [t.clone().requires_grad_() for t in inputs]
        loss = operator(*leaves, **options)
        weight = torch.arange(1.0, 1 + len(loss)).to(loss)
        results += [loss.detach(), *torch.autograd.grad((weight * loss).sum(), leaves)]
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= tolerance * b.abs().max()


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("batches", BATCHES)
@pytest.mark.parametrize("name", ["ssd", "lncc"])
def test_twin(fields, grid, name, batches, padding_mode):
    options = {"padding_mode": padding_mode} | ({"window": 5} if name == "lncc" else {})
    agree_on_losses(name, images(fields, grid, 2, batches), options, 1e-9)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_ssd_in_single_precision(fields, grid, channels):
    inputs = images(fields, grid, channels, dtype=torch.float32)
    agree_on_losses("ssd", inputs, {}, 1e-5)


@pytest.mark.parametrize("name", ["ssd", "lncc"])
def test_gradcheck_of_both_orders(fields, small_grid, gradcheck, sums_are_ordered, name):
    options = {"window": 3, "epsilon": 0.1} if name == "lncc" else {}
    inputs = images(fields, small_grid, 1, (1, 1, 1))

    def loss(*tensors):
        return getattr(qs, name)(*tensors, **options)

    gradcheck(loss, *inputs)
    if len(small_grid) == 2:
        leaves = [t.requires_grad_() for t in inputs]
        nondeterminism = 0.0 if sums_are_ordered else 1e-10
        assert torch.autograd.gradgradcheck(loss, leaves, nondet_tol=nondeterminism)


def test_equal_images(fields, grid, close):
    image = fields.noise(grid, 1)
    still = torch.zeros(1, len(grid), *grid, dtype=image.dtype, device=image.device)
    assert not qs.ssd(image, image, still).any()
    assert (qs.lncc(image, image, still, 3) < 1e-6).all()


def test_lncc_ignores_linear_changes_of_intensity_inside(fields):
    grid = (24, 20)
    image, still = fields.noise(grid, 1), torch.zeros(1, 2, *grid, dtype=torch.float64)
    still = still.to(fields.device)
    other = fields.noise(grid, 1)
    plain, changed = (qs.lncc(image, o, still, 3) for o in (other, -3 * other))
    assert torch.allclose(plain, changed, rtol=1e-6)


def test_the_backward_pass_of_ssd_warps_nothing(fields, grid, monkeypatch):
    image, target, displacement = images(fields, grid)
    loss = qs.ssd(image, target, displacement.requires_grad_())
    for name in ("warp", "warp_displacement_gradient", "splat"):
        monkeypatch.delattr(similarity._core, name)
    loss.sum().backward()
    assert displacement.grad.abs().max() > 0


def test_box_mean_is_self_adjoint(fields, grid, close):
    first, second = fields.noise(grid, 2), fields.noise(grid, 2)
    mean = torch.ops.quicksilver.box_mean
    close((mean(first, 5) * second).sum(), (first * mean(second, 5)).sum(), 1e-9)


def test_lncc_has_no_backward_pass_of_a_pooling(fields, grid):
    """Torch refuses that of avg_pool3d under deterministic algorithms on CUDA."""
    loss = qs.lncc(*(t.requires_grad_() for t in images(fields, grid, 1)))
    nodes, names = [loss.grad_fn], set()
    while nodes:
        node = nodes.pop()
        names.add(node.name())
        nodes += [child for child, _ in node.next_functions if child is not None]
    assert any("box_mean" in name for name in names)
    assert not any("Pool" in name for name in names)
