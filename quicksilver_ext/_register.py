"""How an operator of the core becomes `torch.ops.quicksilver.<name>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_library = torch.library.Library("quicksilver", "DEF")


def operator(
    schema: str,
    *,
    fake: Callable[..., Any],
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers an implementation for the CPU and CUDA (the core serves both), its shapes and its gradient."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        name = schema[: schema.index("(")]
        _library.define(schema)
        for key in ("CPU", "CUDA"):
            _library.impl(name, implementation, key)
        torch.library.register_fake(f"quicksilver::{name}", fake, lib=_library)
        if backward is not None:
            torch.library.register_autograd(
                f"quicksilver::{name}", backward, setup_context=setup_context, lib=_library
            )
        packet: Callable[..., Any] = getattr(torch.ops.quicksilver, name)
        return packet

    return register
