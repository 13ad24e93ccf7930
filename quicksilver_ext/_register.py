"""Registration of the core's operators as `torch.ops.quicksilver.<name>`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ._autograd import Formulas, Rules, along_linear, make_kernel, may_need_gradient

_library = torch.library.Library("quicksilver", "DEF")


def operator(
    schema: str,
    *,
    fake: Callable[..., Any],
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
    vmap: Callable[..., Any] | None = None,
    batch_axes: tuple[Sequence[int], Sequence[int]] | None = ((), ()),
    linear: Sequence[int] = (),
    along: Formulas | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register an implementation for the CPU and CUDA (the core serves both), its shapes, its
    derivatives and its vmap.

    Without `backward` a backward pass through the returned function raises; without `linear` and
    `along` forward mode does.

    vmap: by default makes the mapped axis part of the batch.
    batch_axes: which axis that is, of every argument and of every result: 0 where not said; None:
        there is no such axis.
    linear: positions of the arguments in which the operator is linear: forward mode calls it again.
    along: by position, formula(direction, *arguments), the derivative of the first result along a
        direction of that argument, None for integers.
    """

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        name = schema[: schema.index("(")]
        qualified = f"quicksilver::{name}"
        _library.define(schema)
        for key in ("CPU", "CUDA"):
            _library.impl(name, on_one_device(implementation, name), key)
        torch.library.register_fake(qualified, fake, lib=_library)
        packet: Any = getattr(torch.ops.quicksilver, name)
        if vmap is not None or batch_axes is not None:
            rule = vmap or fold_into_batch(packet, *(batch_axes or ()))
            torch.library.register_vmap(qualified, rule, lib=_library)
        call = refuse_backward(packet, name) if backward is None else packet
        formulas = {position: along_linear(call, position) for position in linear}
        rules = Rules(packet.default, setup_context, backward, formulas | dict(along or {}))
        _library.impl(name, make_kernel(rules), "Autograd", with_keyset=True)
        return call

    return register


def on_one_device(implementation: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Wrap an implementation so that it refuses tensors on several devices: the core receives
    addresses, and a kernel would read one of another device.
    """

    @functools.wraps(implementation)
    def wrapped(*arguments: Any) -> Any:
        devices = [value.device for value in arguments if isinstance(value, Tensor)]
        for device in devices:
            if device != devices[0]:
                raise ValueError(
                    f"{name}: expected all tensors on {devices[0]} as the first, found one on "
                    f"{device}; move it there"
                )
        return implementation(*arguments)

    return wrapped


def refuse_backward(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Wrap an operator without a backward pass, so that one raises: an error is better than an
    incomplete derivative.
    """

    @functools.wraps(call)
    def wrapped(*arguments: Any) -> Any:
        results = call(*arguments)
        for tensor in arguments:
            if isinstance(tensor, Tensor) and may_need_gradient(tensor):
                if isinstance(results, Tensor):
                    results = _refuse_backward(results, tensor, name)
                else:
                    results = tuple(_refuse_backward(result, tensor, name) for result in results)
        return results

    return wrapped


def fold_into_batch(
    call: Callable[..., Any], axes: Sequence[int] = (), result_axes: Sequence[int] = ()
) -> Callable[..., Any]:
    """Make a vmap rule that folds the mapped axis into the batch; axes, result_axes: see
    `operator`.
    """

    def rule(info: Any, in_dims: Sequence[int | None], *arguments: Any) -> tuple[Any, Any]:
        size = info.batch_size
        where = [*axes, *[0] * len(arguments)]
        tensors = [
            _move_mapped_first(value, dim, size, where[n])
            for n, (value, dim) in enumerate(zip(arguments, in_dims, strict=True))
        ]
        batch = max((t.shape[1] for t in tensors if t is not None), default=1)
        values = [
            value if t is None else t.expand(size, batch, *t.shape[2:]).flatten(0, 1).movedim(0, at)
            for value, t, at in zip(arguments, tensors, where, strict=False)
        ]
        results = call(*values)
        single = isinstance(results, Tensor)
        ats = [*result_axes, *[0] * 8]
        split = tuple(
            r.unflatten(at, (size, r.shape[at] // size))
            for r, at in zip((results,) if single else results, ats, strict=False)
        )
        return (split[0], ats[0]) if single else (split, tuple(ats[: len(split)]))

    return rule


def _move_mapped_first(value: Any, dim: int | None, size: int, batch_axis: int) -> Tensor | None:
    """View a tensor as (size, batch, ...), expanded if it is not mapped; None for anything else."""
    if not isinstance(value, Tensor):
        return None
    if dim is not None:
        return value.movedim(dim, 0).movedim(1 + batch_axis, 1)
    return value.movedim(batch_axis, 0)[None].expand(size, *[-1] * value.ndim)


def _save_name(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.name = inputs[2]


def _raise(ctx: Any, grad: Tensor) -> tuple[None, ...]:
    raise NotImplementedError(
        f"{ctx.name}: backward: expected no derivative of this operator, found one asked for (of a "
        "gradient, perhaps); detach its inputs, or see the documentation for what can be "
        "differentiated twice"
    )


@operator(
    "refuse_backward(Tensor result, Tensor input, str name) -> Tensor",
    fake=lambda result, *_: torch.empty_like(result, memory_format=torch.contiguous_format),
    setup_context=_save_name,
    backward=_raise,
    vmap=lambda info, in_dims, *arguments: (_refuse_backward(*arguments), in_dims[0]),
    along={
        0: lambda direction, *_: direction.clone(),
        1: lambda direction, result, *_: torch.zeros_like(result),
    },
)
def _refuse_backward(result: Tensor, input: Tensor, name: str) -> Tensor:
    """Copy the result of an operator whose derivative by this input raises."""
    return result.clone(memory_format=torch.contiguous_format)
