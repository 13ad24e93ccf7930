"""How an operator of the core becomes `torch.ops.quicksilver.<name>`."""

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
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers an implementation for the CPU and CUDA (the core serves both), its shapes, its gradient and its vmap.

    vmap: by default that of an operator whose tensors, arguments and results, all have their batch first.
    """

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        name = schema[: schema.index("(")]
        qualified = f"quicksilver::{name}"
        _library.define(schema)
        for key in ("CPU", "CUDA"):
            _library.impl(name, implementation, key)
        torch.library.register_fake(qualified, fake, lib=_library)
        packet: Callable[..., Any] = getattr(torch.ops.quicksilver, name)
        torch.library.register_vmap(qualified, vmap or folded(packet), lib=_library)
        if backward is not None:
            torch.library.register_autograd(
                qualified, backward, setup_context=setup_context, lib=_library
            )
        return packet

    return register


def folded(
    call: Callable[..., Any], axes: Sequence[int] = (), result_axes: Sequence[int] = ()
) -> Callable[..., Any]:
    """vmap by making the mapped axis part of the batch.

    axes, result_axes: which axis the batch is, of each argument that is a tensor and of each result; 0 where not said.
    """

    def rule(info: Any, in_dims: Sequence[int | None], *arguments: Any) -> tuple[Any, Any]:
        size = info.batch_size
        where = [*axes, *[0] * len(arguments)]
        tensors = [
            _mapped_first(value, dim, size, where[n])
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
            r.unflatten(at, (size, batch))
            for r, at in zip((results,) if single else results, ats, strict=False)
        )
        return (split[0], ats[0]) if single else (split, tuple(ats[: len(split)]))

    return rule


def _mapped_first(value: Any, dim: int | None, size: int, batch_axis: int) -> Tensor | None:
    """A tensor as (size, batch, ...): an expanded view where it is not mapped; None for what is no tensor."""
    if not isinstance(value, Tensor):
        return None
    if dim is not None:
        return value.movedim(dim, 0).movedim(1 + batch_axis, 1)
    return value.movedim(batch_axis, 0)[None].expand(size, *[-1] * value.ndim)
