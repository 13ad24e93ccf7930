"""Derivatives of warp and splat along a direction of the displacement: the second order of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator


def _fake_warp_tangent(image: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    return image.new_empty((*image.shape[:2], *displacement.shape[2:]))


@operator(
    "warp_tangent(Tensor image, Tensor displacement, Tensor direction, str mode, str "
    "padding_mode) -> Tensor",
    fake=_fake_warp_tangent,
)
def warp_tangent(
    image: Tensor, displacement: Tensor, direction: Tensor, mode: str, padding_mode: str
) -> Tensor:
    """sum_a h_a (d I / d position_a)(x + u(x)), all of one batch size: (B, C, *S)."""
    inputs = [t.contiguous() for t in (image, displacement, direction)]
    out = _fake_warp_tangent(image, displacement)
    _run(_core.warp_tangent, inputs, out, mode, padding_mode)
    return out


def _fake_splat_tangent(
    values: Tensor, displacement: Tensor, direction: Tensor, shape: Sequence[int], *_: Any
) -> Tensor:
    return values.new_empty((*values.shape[:2], *shape))


@operator(
    "splat_tangent(Tensor values, Tensor displacement, Tensor direction, SymInt[] shape, str "
    "mode, str padding_mode) -> Tensor",
    fake=_fake_splat_tangent,
)
def splat_tangent(
    values: Tensor,
    displacement: Tensor,
    direction: Tensor,
    shape: Sequence[int],
    mode: str,
    padding_mode: str,
) -> Tensor:
    """The transpose of `warp_tangent` in its image: (B, C, *shape)."""
    inputs = [t.contiguous() for t in (values, displacement, direction)]
    out = _fake_splat_tangent(values, displacement, direction, shape).zero_()
    _run(_core.splat_tangent, inputs, out, mode, padding_mode)
    return out


def _fake_hessian(image: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(displacement, memory_format=torch.contiguous_format)


@operator(
    "warp_hessian(Tensor image, Tensor displacement, Tensor values, Tensor direction, str mode, "
    "str padding_mode) -> Tensor",
    fake=_fake_hessian,
)
def warp_hessian(
    image: Tensor,
    displacement: Tensor,
    values: Tensor,
    direction: Tensor,
    mode: str,
    padding_mode: str,
) -> Tensor:
    """The gradient of <values, warp_tangent> by the displacement: (B, D, *S)."""
    inputs = [t.contiguous() for t in (image, displacement, values, direction)]
    out = _fake_hessian(image, displacement)
    _run(_core.warp_hessian, inputs, out, mode, padding_mode)
    return out


def _run(call: Any, inputs: Sequence[Tensor], out: Tensor, mode: str, padding_mode: str) -> None:
    if mode == "nearest":  # constant between the samples
        out.zero_()
        return
    fields = [*map(_args.field, inputs), _args.field(out)]
    call(*fields, _options.sampling(mode, padding_mode), _args.queue_of(out))
