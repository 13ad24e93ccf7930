"""Registration with torch: opcheck of every operator and option, forward mode, torch.func."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch.autograd import forward_ad

import quicksilver_ext as qs
from quicksilver_ext import _register

CHOICES = {
    "mode": ("linear", "nearest", "cubic"),
    "padding_mode": ("border", "zeros", "reflect", "wrap"),
    "faces": ("one_sided", "half"),
    "band": ("full", "half"),
    "pad": ("auto", "none", "3"),
    "composition": ("linear", "cubic"),
    "inverse": (True, False),
    "identity": (True, False),
    "slopes": (True, False),
}
"""The values of the options that schemas name; `memory` goes with what was kept."""
FEWER = {"compose": {"mode": ("linear", "cubic")}, "ssd": {"padding_mode": ("border", "zeros")}}


@dataclass(frozen=True)
class Fields:
    """Random fields of a batch of two on one device."""

    device: torch.device

    def field(self, channels: int, *shape: int) -> torch.Tensor:
        size = (2, channels, *(shape or (5, 6, 4)))
        return torch.randn(size, device=self.device, dtype=torch.float64)

    def leaf(self, channels: int, *shape: int) -> torch.Tensor:
        return self.field(channels, *shape).requires_grad_()


def samples(device: torch.device) -> dict[str, list[tuple]]:
    """Arguments for every registered operator, with gradients but where that is what it refuses."""
    fields = Fields(device)
    return {**of_sampling(fields), **of_differences(fields), **of_shooting(fields)}


def of_sampling(fields: Fields) -> dict[str, list[tuple]]:
    field, leaf, device = fields.field, fields.leaf, fields.device
    labels = torch.randint(9, (2, 1, 5, 6, 4), device=device)
    corners = torch.tensor([[0, 0, 1, 0], [1, 2, 3, 1]], device=device)
    cells = torch.randn(2, 2, 3, 3, 3, device=device, dtype=torch.float64, requires_grad=True)
    return {
        "warp": [
            (leaf(2), leaf(3, 4, 4, 4), "linear", "border"),
            (leaf(1), leaf(3), "cubic", "zeros"),
            (leaf(1)[:1], leaf(3), "linear", "wrap"),
        ],
        "warp_bits": [(labels, field(3), "border")],
        "warp_labels": [(labels, field(3), "reflect"), (labels[:1], field(3), "zeros")],
        "warp_displacement_gradient": [
            (leaf(2), leaf(3), leaf(2), "linear", "border"),
            (leaf(2)[:1], leaf(3), leaf(2), "cubic", "wrap"),
        ],
        "warp_tangent": [(leaf(2), leaf(3), leaf(3), "linear", "border")],
        "splat_tangent": [(leaf(2), leaf(3), leaf(3), [6, 5, 4], "cubic", "reflect")],
        "warp_hessian": [(leaf(2), leaf(3), leaf(2), leaf(3), "cubic", "zeros")],
        "compose": [
            (leaf(3), leaf(3), "cubic", "border"),
            (leaf(3), leaf(3)[:1], "linear", "zeros"),
        ],
        "splat": [
            (leaf(2), leaf(3), [6, 5, 4], 2, "linear", "zeros"),
            (leaf(2), leaf(3), [6, 5, 4], 1, "linear", "wrap"),
        ],
        "extract_patches": [(leaf(2), corners, 3)],
        "add_patches": [(cells, corners, [5, 6, 4], 2)],
    }


def of_differences(fields: Fields) -> dict[str, list[tuple]]:
    field, leaf = fields.field, fields.leaf
    return {
        "jacobian_determinant": [(leaf(3), "one_sided")],
        "smallest_determinant": [(field(3),)],
        "jacobian_determinant_gradient": [(leaf(3), leaf(1), "one_sided")],
        "gradient": [(leaf(3), True, "half"), (leaf(2), False, "one_sided")],
        "gradient_transpose": [(leaf(9), "half"), (leaf(4, 5, 6), "one_sided")],
        "divergence": [(leaf(3), "half")],
        "divergence_transpose": [(leaf(1), "one_sided")],
        "ssd": [
            (leaf(2), leaf(2), leaf(3), True, "border"),
            (leaf(1)[:1], field(1), field(3), False, "zeros"),
        ],
        "box_mean": [(leaf(2), 3), (leaf(1, 5, 6), 5)],
        "ad": [(leaf(3), leaf(3), "one_sided")],
        "ad_star": [(leaf(2, 5, 6), leaf(2, 5, 6), "half")],
        "Ad_star": [(leaf(3), leaf(3), "one_sided"), (leaf(2, 5, 6), leaf(2, 5, 6), "half")],
        "Ad_star_gradient": [(leaf(3), leaf(3), leaf(3), "half")],
    }


def of_shooting(fields: Fields) -> dict[str, list[tuple]]:
    field, leaf = fields.field, fields.leaf
    metric = (0.01, 0.01, 0.001, 1)
    manner = (*metric, [1.0, 1.0, 1.0], "auto", "full", 2)
    kept = torch.randn(4, 2, 3, 5, 6, 4, device=fields.device, dtype=torch.float64)
    return {
        "invert": [((0.1 * field(3)).requires_grad_(), 30, 1e-12)],
        "invert_gradient": [((0.1 * field(3)).requires_grad_(), 0.1 * field(3), leaf(3))],
        "update_inverse": [(leaf(3), leaf(3), 3, 1e-6, "border")],
        "shoot_ab2": [
            (leaf(3), *manner, "cubic", "fast"),
            (leaf(2, 5, 6), *manner, "linear", "balanced"),
            (field(3), *manner, "cubic", "none"),
            (leaf(3), *manner[:-2], "half", 2, "cubic", "fast"),
        ],
        "shoot_ab2_backward": [
            (leaf(3), leaf(3), leaf(3), kept, *manner, "cubic", "fast"),
            (leaf(3), leaf(3), None, kept[:1], *manner, "linear", "balanced"),
            (leaf(3), None, leaf(3), kept[:0], *manner, "linear", "small"),
        ],
        "fluid": [
            (leaf(3), [6, 6, 5], [1.0, 1.0, 2.0], *metric, "full", True),
            (leaf(2, 5, 6), [5, 6], [1.0, 1.0], *metric, "half", False),
        ],
        "refuse_backward": [(field(2), field(3), "warp")],
    }


def registered() -> list[str]:
    assert qs.warp  # whose first use fills torch.ops.quicksilver
    names = torch._C._dispatch_get_all_op_names()
    return sorted(name.split("::")[1] for name in names if name.startswith("quicksilver::"))


@pytest.mark.parametrize("name", registered())
def test_opcheck(device, name):
    """Schema, fake tensors, autograd registration and torch.compile's dispatch agree with it."""
    for arguments in samples(device)[name]:
        torch.library.opcheck(overload(name), arguments)


def test_every_sample_is_an_operator(device):
    assert set(samples(device)) == set(registered())


def overload(name: str):
    return getattr(torch.ops.quicksilver, name).default


def argument_names(name: str) -> list[str]:
    return [argument.name for argument in overload(name)._schema.arguments]


def every_option(name: str, arguments: tuple) -> Iterator[tuple]:
    """The arguments with every combination of the values of the operator's options."""
    allowed = CHOICES | FEWER.get(name, {})
    choices = [
        (value,) if isinstance(value, torch.Tensor) else allowed.get(argument, (value,))
        for argument, value in zip(argument_names(name), arguments, strict=True)
    ]
    return itertools.product(*choices)


@pytest.mark.slow
@pytest.mark.parametrize("name", registered())
def test_opcheck_of_every_option(device, name):
    for arguments in every_option(name, samples(device)[name][0]):
        torch.library.opcheck(overload(name), arguments)


@pytest.mark.parametrize("memory", ["fast", "balanced", "small"])
def test_opcheck_of_shooting_with_what_was_kept(device, memory):
    """The gradient's operator as `shoot` calls it, the momentum being a leaf."""
    momentum = 0.01 * torch.randn(2, 2, 5, 6, device=device, dtype=torch.float64)
    how = (0.1, 0.1, 0.1, 1, [1.0, 1.0], "auto", "full", 3, "cubic", memory)
    psi, phi, kept = torch.ops.quicksilver.shoot_ab2(momentum.requires_grad_(), *how)
    for maps in ((psi, phi), (psi, None), (None, phi)):
        torch.library.opcheck(overload("shoot_ab2_backward"), (momentum, *maps, kept, *how))
    with pytest.raises(ValueError, match=r"shoot_ab2_backward: memory: expected one of .*'none'"):
        overload("shoot_ab2_backward")(momentum, psi, phi, kept, *how[:-1], "none")


def floats(arguments: tuple) -> list[int]:
    return [
        n
        for n, value in enumerate(arguments)
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    ]


def first_result(name: str, *arguments):
    results = overload(name)(*arguments)
    return results if isinstance(results, torch.Tensor) else results[0]


def forward_derivative(name: str, arguments: tuple, position: int, direction: torch.Tensor):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(arguments[position], direction)
        result = first_result(name, *arguments[:position], dual, *arguments[position + 1 :])
        return forward_ad.unpack_dual(result).tangent


def differences(name: str, arguments: tuple, position: int, direction: torch.Tensor):
    ends = (
        first_result(
            name,
            *arguments[:position],
            arguments[position] + step * direction,
            *arguments[position + 1 :],
        )
        for step in (1e-6, -1e-6)
    )
    return (next(ends) - next(ends)) / 2e-6


REFUSED = {
    *(("Ad_star_gradient", n) for n in range(3)),
    *(("invert_gradient", n) for n in range(2)),
    ("jacobian_determinant_gradient", 0),
    ("shoot_ab2", 0),
    *(("shoot_ab2_backward", n) for n in range(4)),
    ("smallest_determinant", 0),
    ("splat_tangent", 1),
    *(("update_inverse", n) for n in range(2)),
    ("warp_hessian", 1),
    ("warp_tangent", 1),
}
"""Operators, and the places of the arguments that they refuse in forward mode."""


@pytest.mark.parametrize("name", registered())
def test_forward_mode_is_right_or_refused(device, name):
    """Every operator, along every argument with a derivative: never a zero that is none."""
    if name == "refuse_backward":
        pytest.skip("the identity for its first argument alone")
    for arguments in samples(device)[name]:
        arguments = tuple(v.detach() if isinstance(v, torch.Tensor) else v for v in arguments)
        for position in floats(arguments):
            direction = torch.randn_like(arguments[position])
            if (name, position) in REFUSED:
                with pytest.raises(NotImplementedError, match=f"^{name}: forward mode: expected"):
                    forward_derivative(name, arguments, position, direction)
                continue
            found = forward_derivative(name, arguments, position, direction)
            if name in ("warp_bits", "warp_labels"):  # of integers
                assert found is None
                continue
            expected = differences(name, arguments, position, direction)
            assert (found - expected).abs().max() <= 1e-6 * expected.abs().max().clamp(min=1)


def test_forward_mode_through_backward_of_ssd():
    """Without create_graph too, where backward would take what forward kept."""
    image, target = torch.randn(2, 1, 1, 5, 6, dtype=torch.float64)
    u, direction = torch.randn(2, 1, 2, 5, 6, dtype=torch.float64)

    def slope(u):
        return torch.autograd.grad(qs.ssd(image, target, u).sum(), u)[0]

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(u.clone().requires_grad_(), direction)
        found = forward_ad.unpack_dual(slope(dual)).tangent
    ends = [slope((u + step * direction).requires_grad_()) for step in (1e-6, -1e-6)]
    expected = (ends[0] - ends[1]) / 2e-6
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_no_gradient_is_lost():
    """What has no backward pass raises, whoever asks: torch.autograd, torch.func, both."""
    u = (0.1 * torch.randn(1, 2, 5, 6, dtype=torch.float64)).requires_grad_()

    def total(u):
        return qs.jacobian_determinant(u).square().sum()

    (first,) = torch.autograd.grad(total(u), u, create_graph=True)
    words = "jacobian_determinant_gradient: backward: expected no derivative"
    with pytest.raises(NotImplementedError, match=words):
        first.sum().backward()
    with pytest.raises(NotImplementedError, match=words):
        torch.func.grad(lambda u: torch.func.grad(total)(u).sum())(u.detach())


def test_tensors_on_two_devices_are_refused():
    """`torch.ops.quicksilver` is called without the checks of the public functions."""
    call = _register.on_one_device(lambda *_: "called", "warp")
    here, elsewhere = torch.zeros(1), torch.zeros(1, device="meta")
    assert call(here, None, [3], here) == "called"
    with pytest.raises(ValueError, match=r"warp: expected all tensors on cpu .* found one on meta"):
        call(here, "linear", elsewhere)
    image, u = torch.zeros(0, 1, 5, 6), torch.zeros(0, 2, 5, 6, device="meta")
    on_the_cpu = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
    with pytest.raises(ValueError, match=r"warp: expected all tensors on cpu"):
        overload("warp").redispatch(on_the_cpu, image, u, "linear", "border")
