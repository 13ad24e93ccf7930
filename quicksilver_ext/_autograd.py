"""Derivatives of a registered operator: backward, forward mode, and under torch.func's transforms.

``torch.library.register_autograd`` knows no forward mode: it drops tangents, so that derivatives
come out as zero, and it fails under torch.func. This is the kernel that it would register, made of
an autograd.Function of a single level, which serves all three.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

Formulas = Mapping[int, Callable[..., Tensor | None]]
"""By the position of an argument: formula(direction, *arguments), the derivative of the first
result along a direction of that argument; None where it is of integers, which have none.
"""


def transforms_are_active() -> bool:
    """Tell whether torch.func transforms this call: then `requires_grad` does not say whether a
    gradient will be asked for.
    """
    return torch._C._are_functorch_transforms_active()


def may_need_gradient(tensor: Tensor) -> bool:
    """Tell whether a gradient by this tensor may be asked for."""
    return torch.is_grad_enabled() and (tensor.requires_grad or transforms_are_active())


def is_differentiated_again() -> bool:
    """Tell whether a backward pass that runs now is itself being differentiated."""
    return torch.is_grad_enabled() or forward_ad._current_level >= 0


def along_linear(call: Callable[..., Any], position: int) -> Callable[..., Tensor]:
    """Make the formula of an argument in which an operator is linear: the operator itself, with the
    direction in its place.
    """

    def formula(direction: Tensor, *arguments: Any) -> Tensor:
        result: Tensor = call(*arguments[:position], direction, *arguments[position + 1 :])
        return result

    return formula


@dataclass(frozen=True)
class Rules:
    """How an operator is differentiated.

    Args:
        op: the overload, torch.ops.quicksilver.<name>.default.
        save: save(ctx, inputs, output) before backward(ctx, *gradients); None: nothing to save.
        backward: None: the results require no gradient; see `_register.refuse_backward`.
        formulas: of the arguments that have a derivative in forward mode; others raise.
    """

    op: Any
    save: Callable[..., None] | None
    backward: Callable[..., Any] | None
    formulas: Formulas

    def compute(self, keyset: Any, arguments: Sequence[Any]) -> Any:
        """Call the operator below autograd."""
        with torch._C._AutoDispatchBelowAutograd():
            return self.op.redispatch(keyset & torch._C._after_autograd_keyset, *arguments)

    def differentiate(
        self, arguments: Sequence[Any], directions: Sequence[Tensor | None]
    ) -> Tensor | None:
        """Sum the derivatives of the first result along the directions that there are."""
        terms = []
        for position, direction in enumerate(directions):
            if direction is None:
                continue
            if position not in self.formulas:
                raise NotImplementedError(
                    f"{self.op._opname}: forward mode: expected no tangent of argument "
                    f"{position + 1}, found one; use reverse mode (torch.autograd.grad or "
                    "torch.func.vjp)"
                )
            terms.append(self.formulas[position](direction, *arguments))
        known = [term for term in terms if term is not None]
        return functools.reduce(operator.add, known) if known else None


def make_kernel(rules: Rules) -> Callable[..., Any]:
    """Make the kernel of the dispatch key Autograd: kernel(keyset, *arguments)."""
    function: Any = type(rules.op._opname, (_Derivatives,), {})

    def kernel(keyset: Any, *arguments: Any) -> Any:
        reverse = torch.is_grad_enabled() and torch._C._any_requires_grad(*arguments)
        if not reverse and forward_ad._current_level < 0 and not transforms_are_active():
            return rules.compute(keyset, arguments)
        enabled = torch.is_grad_enabled() and rules.backward is not None
        with enable_single_level_autograd_function(), torch.set_grad_enabled(enabled):
            return function.apply(*arguments, (rules, keyset))

    return kernel


class _Derivatives(_SingleLevelFunction):
    """An operator at one level of torch.func's transforms; its last input is (rules, keyset)."""

    @staticmethod
    def forward(*arguments: Any) -> Any:
        *inputs, (rules, keyset) = arguments
        if not transforms_are_active():
            return rules.compute(keyset, inputs)
        with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):  # for outer transforms
            return rules.compute(keyset, inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *arguments, (ctx.rules, _) = inputs
        ctx.set_materialize_grads(False)
        ctx.others = [None if isinstance(value, Tensor) else value for value in arguments]
        ctx.save_for_forward(*(t if isinstance(t, Tensor) else None for t in arguments))
        if ctx.rules.save is not None:
            ctx.rules.save(ctx, tuple(arguments), output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        if all(gradient is None for gradient in gradients):
            return (None,) * (len(ctx.others) + 1)
        return (*ctx.rules.backward(ctx, *gradients), None)

    @staticmethod
    def jvp(ctx: Any, *directions: Any) -> Any:
        # Enabled for the transforms around this one; the primals have no tangents at its level.
        with forward_ad._set_fwd_grad_enabled(True):
            arguments = [
                other if tensor is None else forward_ad.unpack_dual(tensor, level=0).primal
                for tensor, other in zip(ctx.saved_tensors, ctx.others, strict=True)
            ]
            first = ctx.rules.differentiate(arguments, directions[:-1])
        more = len(ctx.rules.op._schema.returns) - 1
        return (first, *[None] * more) if more else first
