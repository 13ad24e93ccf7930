"""Registration of the core's operators as `torch.ops.quicksilver.<name>`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_library = torch.library.Library("quicksilver", "DEF")


def operator(
    schema: str,
    *,
    fake: Callable[..., Any],
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
    vmap: Callable[..., Any] | None = None,
    batch_axes: tuple[Sequence[int], Sequence[int]] | None = ((), ()),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register an implementation for the CPU and CUDA (the core serves both), its shapes, its
    gradient and its vmap.

    vmap: by default makes the mapped axis part of the batch.
    batch_axes: which axis that is, of every argument and of every result: 0 where not said; None:
        there is no such axis.
    """

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        name = schema[: schema.index("(")]
        qualified = f"quicksilver::{name}"
        _library.define(schema)
        for key in ("CPU", "CUDA"):
            _library.impl(name, implementation, key)
        torch.library.register_fake(qualified, fake, lib=_library)
        packet: Callable[..., Any] = getattr(torch.ops.quicksilver, name)
        if vmap is not None or batch_axes is not None:
            rule = vmap or fold_into_batch(packet, *(batch_axes or ()))
            torch.library.register_vmap(qualified, rule, lib=_library)
        torch.library.register_autograd(
            qualified, backward or _refuse_gradient(name), setup_context=setup_context, lib=_library
        )
        return packet

    return register


def _refuse_gradient(name: str) -> Callable[..., Any]:
    """Make a backward pass that raises: an error is better than an incomplete derivative."""

    def backward(ctx: Any, *_: Any) -> None:
        raise NotImplementedError(
            f"{name}: backward: expected no derivative of this operator, found one asked for (of a "
            "gradient, perhaps); detach its inputs, or see the documentation for what can be "
            "differentiated twice"
        )

    return backward


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
